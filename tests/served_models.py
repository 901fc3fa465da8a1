"""A tiny language model behind a real HTTP server, in the forms of vLLM (by `echo`, or as form="vllm" by
`prompt_logprobs`, and with its chat template by way of tokens), of `transformers serve` and of llama-server; it can be
slowed, broken and killed. `faults` say what goes wrong with each request, one after another; then all is well again."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import torch


class Server:
    def __init__(self, model, tokenizer, form="echo", names=("tiny",), key=None, port=0):
        self.model, self.tokenizer, self.form, self.names, self.key = model, tokenizer, form, names, key
        self.asked, self.faults, self.headers = [], [], []
        self.dies_after, self.most, self.at_once, self.most_at_once = None, None, 0, 0
        self.lie = None  # changes the log-probabilities of a text
        self.turn, self.filled = threading.Lock(), {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

            def do_GET(self):
                if server.form == "transformers":  # as it answers where a model is a local folder
                    return self.answer(500, "Internal Server Error")
                self.answer(200, {"data": [{"id": name} for name in server.names]})

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with server.turn:
                    server.asked.append((self.path, question))
                    server.headers.append(dict(self.headers))
                    fault = server.faults.pop(0) if server.faults else None
                    if server.dies_after is not None and len(server.asked) > server.dies_after:
                        fault = "dead"
                    server.at_once += 1
                    server.most_at_once = max(server.most_at_once, server.at_once)
                try:
                    self.handle_one(question, fault)
                finally:
                    server.at_once -= 1

            def handle_one(self, question, fault):
                if fault == "dead":
                    self.close_connection = True
                elif fault == "slow":
                    time.sleep(1.0)
                    self.answer(200, {})
                elif fault == "rubbish":
                    self.answer(200, "<html>busy</html>")
                elif isinstance(fault, tuple):
                    self.answer(*fault)
                elif server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                    self.answer(401, {"error": {"message": f"{self.headers.get('Authorization')} is no key"}})
                else:
                    self.answer(*server.say(self.path, question))

            def answer(self, status, value):
                body = (value if isinstance(value, str) else json.dumps(value)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 429:
                    self.send_header("Retry-After", "0")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda request, address: None  # who asked has hung up
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    # What it says.

    def say(self, path, question):
        if self.form == "transformers" and question.keys() & {"prompt_logprobs", "return_token_ids"}:
            return 422, {"detail": "Unexpected fields in the request: {'prompt_logprobs'}"}
        if path == "/v1/completions":
            return self.completions(question)
        if path == "/v1/chat/completions" and self.form == "transformers":
            answer = self.completions(question | {"prompt": question["messages"][-1]["content"]})[1]
            (choice,) = answer["choices"]
            return 200, answer | {"choices": [choice | {"message": {"content": choice.pop("text")}}]}
        if path == "/tokenize" and self.form == "vllm":
            words = question.get("prompt")
            if words is None:
                words = " ".join(f"Review : {one['content']}" for one in question["messages"]) + " Verdict :"
            ids = self.tokens(words)[1:]  # a template has in it what would be put in front
            self.filled[tuple(ids)] = words
            return 200, {"count": len(ids), "max_model_len": 256, "tokens": ids, "token_strs": None}
        if path == "/detokenize" and self.form == "vllm":
            return 200, {"prompt": self.filled[tuple(question["tokens"])]}
        if path == "/tokenize" and self.form == "llama":
            return 200, {"tokens": self.tokens(question["content"])}
        if path == "/completion" and self.form == "llama":
            logs = self.logs(question["prompt"])[-1]
            forced = [token for token, _ in question.get("logit_bias", ())]
            token = forced[0] if forced else int(logs.argmax())
            said = {"id": token, "token": self.words(token), "logprob": self.told(float(logs[token]))}
            return 200, {"completion_probabilities": [said]}
        return 404, {"error": {"message": "there is no such path"}}

    def completions(self, question):
        ids = self.tokens(question["prompt"])
        if self.most is not None and len(ids) + question["max_tokens"] > self.most:
            return 400, {"error": {"message": f"the maximum context length is {self.most} tokens"}}
        logs = self.logs(ids)
        made, each = list(ids), []
        stops = question.get("stop") or []
        while len(each) < question["max_tokens"] and not any(stop in self.text(made[len(ids) :]) for stop in stops):
            rows = logs if not each else self.logs(made)
            made.append(int(rows[-1].argmax()))
            each.append(float(rows[-1][made[-1]]))
            if made[-1] == self.tokenizer.sep_token_id:
                break
        if self.form in ("none", "transformers"):
            told = None
        elif question.get("echo") and self.form == "echo":
            own = [None, *(self.told(float(logs[i, token])) for i, token in enumerate(ids[1:]))]
            told = {"token_logprobs": own + each, "tokens": [self.words(token) for token in made]}
        else:
            top = np.argsort(-logs[-1])[: question.get("logprobs") or 1]
            tops = [{self.words(token): float(logs[-1][token]) for token in top}]
            told = {
                "token_logprobs": each,
                "top_logprobs": tops,
                "tokens": [self.words(one) for one in made[len(ids) :]],
            }
        told = told if question.get("logprobs") else None
        reason = "length" if len(each) == question["max_tokens"] else "stop"
        text = (question["prompt"] if question.get("echo") else "") + self.text(made[len(ids) :])
        choice = {"text": text, "logprobs": told, "finish_reason": reason}
        if self.form == "transformers":
            del choice["logprobs"]
        if self.form == "vllm":
            choice |= {"index": 0, "stop_reason": None, "token_ids": None, "prompt_logprobs": None}
            if (most := question.get("prompt_logprobs")) is not None:
                choice["prompt_logprobs"] = [
                    None,
                    *(self.of_place(logs[i], ids[i + 1], most) for i in range(len(ids) - 1)),
                ]
                choice["prompt_token_ids"] = ids if question.get("return_token_ids") else None
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(each)}
        return 200, {"choices": [choice], "usage": usage}

    def of_place(self, logs, token, most):
        """vLLM's: the prompt's own token first, then the likeliest, each with its rank."""
        tops = [token, *np.argsort(-logs)[:most].tolist()]
        return {
            str(one): {
                "logprob": self.told(float(logs[one])),
                "rank": int((logs > logs[one]).sum()) + 1,
                "decoded_token": self.words(one),
            }
            for one in tops
        }

    def told(self, log):
        return log if self.lie is None else self.lie(log)

    def tokens(self, text):
        return self.tokenizer(text)["input_ids"][:-1]  # without [SEP]

    def words(self, token):
        return f" {self.tokenizer.decode([token])}"

    def text(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=True)

    def logs(self, ids):
        with self.turn, torch.no_grad():
            return self.model(torch.tensor([ids])).logits[0].double().log_softmax(dim=-1).numpy()
