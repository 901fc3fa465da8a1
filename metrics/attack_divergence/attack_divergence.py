"""Does the compressed model break under the same attacks as the large one?"""

from .array_metric import ArrayMetric
from .intervals import share_interval
from .outcomes import Outcome
from .predictor import Predictor
from .side_by_side import Job
