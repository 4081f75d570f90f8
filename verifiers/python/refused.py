"""The one failure: a code of docs/chain.md and where it happened."""


class Refused(Exception):
    def __init__(self, code, reason="", **details):
        self.code = code
        self.reason = reason
        self.details = details
        where = ", ".join(f"{name} {value}" for name, value in details.items())
        super().__init__(f"{code}{': ' + reason if reason else ''}{f' ({where})' if where else ''}")
