#!/usr/bin/env python3
"""Vectors of the sampler, written from the comments of src/sampler.ts, src/sampler-state.ts and
src/logprobs.ts, with the standard library only: everything is sorted, copied and summed plainly.

Run in this directory: python3 sampler.py > new.json && mv new.json sampler.json
The cases of one draw are read from sampler.json, computed anew and must be the same.
"""
import json
import math
import random
import struct

MAX_F32 = struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]


def f32(x):
    if abs(x) > MAX_F32:
        return math.copysign(MAX_F32, x)
    return struct.unpack("<f", struct.pack("<f", x))[0]


def mix(x):
    x &= 0xFFFFFFFF
    x = ((x ^ x >> 16) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ x >> 15) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ x >> 16


def noise(seed, position, token):
    low, high = seed & 0xFFFFFFFF, seed >> 32
    key1 = mix(low ^ mix(position + 0x9E3779B9))
    key2 = mix(key1 ^ mix(high + 0x7F4A7C15))
    return mix(key2 ^ mix(key1 ^ token))


def draw(logits, params, position):
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    if params["temperature"] < 1e-5 or params["topK"] == 1:
        return order[0]
    floor = -math.inf
    if 0 < params["topK"] < len(logits):
        floor = logits[order[params["topK"] - 1]]
    kept = [i for i in order if logits[i] >= floor]
    top = logits[order[0]]
    weight = {i: math.exp((logits[i] - top) / params["temperature"]) for i in kept}
    total = math.fsum(weight.values())
    if params["topP"] < 1:
        reached = 0.0
        for i in kept:
            reached += weight[i] / total
            floor = logits[i]
            if reached >= params["topP"]:
                break
    if params["minP"] > 0:
        floor = max(floor, top + math.log(params["minP"]) * params["temperature"])

    def score(i):
        u = (noise(params["seed"], position, i) + 0.5) / 2**32
        return logits[i] / params["temperature"] - math.log(-math.log(u))

    return max((i for i in kept if logits[i] >= floor), key=lambda i: (score(i), -i))


def changed(logits, params, prompt, answer):
    out = list(logits)
    bias = dict(params["logitBias"])
    for i, logit in enumerate(logits):
        x = logit + bias.get(i, 0)
        if i in prompt or i in answer:
            r = params["repetitionPenalty"]
            if r != 1:
                x = x / r if x > 0 else x * r
        n = answer.count(i)
        if n > 0:
            x -= n * params["frequencyPenalty"] + params["presencePenalty"]
        out[i] = f32(x)
    return out


def logprobs(logits, token, count):
    top = max(logits)
    log = top + math.log(math.fsum(math.exp(x - top) for x in logits))
    order = sorted(range(len(logits)), key=lambda i: (-logits[i], i))
    return {
        "logprob": max(-9999, logits[token] - log),
        "top": [[i, max(-9999, logits[i] - log)] for i in order[:count]],
    }


def answer_of(rows, params, prompt):
    answer, choices = [], []
    for position, row in enumerate(rows):
        token = draw(changed(row, params, prompt, answer), params, position)
        answer.append(token)
        wanted = params["logprobs"]
        choices.append(
            {"token": token, "logprobs": None if wanted is None else logprobs(row, token, wanted)}
        )
    return choices


random.seed(11)
OFF = {
    "temperature": 1,
    "topK": 0,
    "topP": 1,
    "minP": 0,
    "seed": 7,
    "repetitionPenalty": 1,
    "presencePenalty": 0,
    "frequencyPenalty": 0,
    "logitBias": [],
    "logprobs": None,
}
VOCAB, STEPS = 24, 10
shared = [[f32(random.gauss(0, 3)) for _ in range(VOCAB)] for _ in range(STEPS)]
# One distribution all along: only what was said already makes a difference.
steady = [shared[0]] * STEPS


def answer_case(name, rows, prompt=(1, 2, 3, 2), **given):
    params = {**OFF, **given}
    choices = answer_of(rows, params, list(prompt))
    repeats = 1
    if rows is steady:
        rows, repeats = rows[:1], STEPS
    return {
        "name": name,
        "params": params,
        "prompt": list(prompt),
        "rows": rows,
        "repeats": repeats,
        "choices": choices,
    }


best = max(range(VOCAB), key=lambda i: shared[0][i])
worst = min(range(VOCAB), key=lambda i: shared[0][i])
answers = [
    answer_case("nothing asked for", shared),
    answer_case("greedy, repetition penalty", steady, temperature=0, repetitionPenalty=1.3),
    answer_case(
        "repetition penalty counts the prompt", steady, prompt=(best,), temperature=0,
        repetitionPenalty=2,
    ),
    answer_case("repetition penalty below 1 repeats", shared, repetitionPenalty=0.5),
    answer_case("the smallest repetition penalty stays finite", steady, repetitionPenalty=5e-324),
    answer_case("greedy, presence penalty", steady, temperature=0, presencePenalty=2),
    answer_case("greedy, presence penalty below 0", steady, temperature=0, presencePenalty=-2),
    answer_case("greedy, frequency penalty", steady, temperature=0, frequencyPenalty=0.7),
    answer_case(
        "presence and frequency do not count the prompt", steady, prompt=(best, best),
        temperature=0, presencePenalty=2, frequencyPenalty=2,
    ),
    answer_case("bias that forces", shared, logitBias=[[worst, 100]]),
    answer_case("bias that forbids", steady, temperature=0, logitBias=[[best, -100]]),
    answer_case("bias before the repetition penalty", steady, temperature=0, prompt=(best,),
                logitBias=[[best, -5], [worst, 3]], repetitionPenalty=1.8),
    answer_case("bias before top_k", shared, topK=2, logitBias=[[5, 4.5], [6, -3.25]]),
    answer_case("all penalties, all filters", shared, temperature=0.9, topK=12, topP=0.9,
                minP=0.01, repetitionPenalty=1.2, presencePenalty=0.6, frequencyPenalty=0.4,
                logitBias=[[0, 1.5], [9, -2]], seed=2**53 - 1),
    answer_case("log-probabilities of the choice alone", shared, logprobs=0),
    answer_case("log-probabilities of 5 more", shared, temperature=1.5, logprobs=5),
    answer_case("log-probabilities are the model's own", steady, temperature=0.3, topK=3,
                logitBias=[[worst, 100]], presencePenalty=2, repetitionPenalty=1.5, logprobs=20),
    answer_case("log-probabilities of more than there are", [row[:3] for row in shared],
                prompt=(1,), logprobs=20),
    answer_case("alternatives of one logit, lower ids first", [[1.0, 2.0, 2.0, 1.0, 2.0]],
                prompt=(1,), logprobs=4),
    answer_case("log-probabilities far below", [[0.0, f32(-30000.5), -50.0, -700.0]], prompt=(1,),
                logprobs=4),
]

with open("sampler.json") as file:
    known = json.load(file)
for case in known["noise"]:
    assert noise(case["seed"], case["position"], case["token"]) == case["bits"], case
for case in known["cases"]:
    logits = [f32(x) for x in case["logits"]]
    assert draw(logits, case["params"], case["position"]) == case["token"], case["name"]
text = json.dumps({**known, "answers": ["@"]}, indent=1)
lines = ",\n  ".join(json.dumps(case) for case in answers)
print(text.replace('"@"', lines))
