"""The Hugging Face Hub, made up."""

import shutil
from pathlib import Path
from types import SimpleNamespace


class FakeHub:
    """A Hub that has one model, made of a folder; it notes what is asked of it."""

    def __init__(self, folder, **sizes):
        self.folder, self.sizes, self.fetched = folder, sizes, []

    def model_info(self, name, files_metadata, timeout, token):
        assert token is False
        files = [
            SimpleNamespace(rfilename=path.name, size=self.sizes.get(path.stem, path.stat().st_size))
            for path in self.folder.iterdir()
        ]
        return SimpleNamespace(sha="abc", siblings=files)

    def snapshot_download(self, name, revision, allow_patterns, local_dir, token):
        assert token is False
        assert revision == "abc"
        self.fetched += allow_patterns
        for file in allow_patterns:
            shutil.copy(self.folder / file, Path(local_dir) / file)
