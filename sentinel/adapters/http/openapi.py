"""What the HTTP server answers, as an OpenAPI 3.1 document: served at `/openapi.json` and tested against."""

from typing import Any

from sentinel.domain.alert import AlertOutcome

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_LABELS: Json = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 128,
    "propertyNames": {"maxLength": 256},
    "additionalProperties": {"type": "string", "maxLength": 4096},
}
_TIME: Json = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339; year 1 means not set",
    "examples": ["2026-01-01T12:00:00Z"],
}
_ANNOTATIONS: Json = {
    "type": ["object", "null"],
    "additionalProperties": _TEXT,
    "description": "Shown to people, shortened if too long; values that are not text are ignored",
}
_ALERT: Json = {
    "type": "object",
    "required": ["status", "labels", "startsAt", "fingerprint"],
    "properties": {
        "status": {"enum": ["firing", "resolved"]},
        "labels": _LABELS,
        "annotations": _ANNOTATIONS,
        "startsAt": {**_TIME, "description": "When it fired; must be set"},
        "endsAt": {**_TIME, "type": ["string", "null"]},
        "generatorURL": _TEXT,
        "fingerprint": {"type": "string", "minLength": 1, "maxLength": 256},
    },
}
_POSTED_ALERT: Json = {
    "type": "object",
    "description": "An alert as Prometheus, vmalert and rulers post it to an Alertmanager",
    "required": ["labels", "startsAt"],
    "properties": {
        "labels": _LABELS,
        "annotations": _ANNOTATIONS,
        "startsAt": {**_TIME, "description": "When it fired; must be set"},
        "endsAt": {
            **_TIME,
            "type": ["string", "null"],
            "description": "The alert is resolved once this time is past",
        },
        "generatorURL": _TEXT,
    },
}


def _or_dropped(schema: str) -> Json:
    """An alert, or anything else: that is not a reason to refuse the request."""
    other = {"description": "Any other item is dropped, the rest is kept, and the answer says why"}
    return {"anyOf": [{"$ref": f"#/components/schemas/{schema}"}, other]}


_EXAMPLE: Json = {
    "labels": {
        "alertname": "HighErrorRate",
        "severity": "critical",
        "namespace": "shop",
        "deployment": "web",
    },
    "annotations": {"summary": "12% of the requests fail"},
    "startsAt": "2026-01-01T12:00:00Z",
}
_NOTIFIED: Json = {
    "version": "4",
    "alerts": [_EXAMPLE | {"status": "firing", "fingerprint": "6d8dd77f6a1a5bc1"}],
}
_POSTED: Json = {
    "type": "array",
    "maxItems": 10_000,
    "items": _or_dropped("PostedAlert"),
}
_NOTIFICATION: Json = {
    "type": "object",
    "description": "Alertmanager's webhook payload; other keys are ignored",
    "required": ["version", "alerts"],
    "properties": {
        "version": {"enum": ["4", "1"], "description": "4 for Alertmanager, 1 for Grafana"},
        "alerts": {"type": "array", "maxItems": 10_000, "items": _or_dropped("Alert")},
        "truncatedAlerts": {"description": "How many alerts were left out; recorded if it is a number"},
        "receiver": {"description": "Ignored if it is not text"},
    },
}
_OUTCOMES = """The outcome:
recorded (in the record of each rollout that the alert concerns),
idle (the alert concerns known workloads, but none of them can be held or undone now),
unknown (a policy matches the alert, but the alert names no known workload: logged, and reported once),
unmatched (no policy matches the alert),
other-cluster (the alert is about a cluster other than the one in the settings),
forbidden (the credentials may not post alerts of its namespace),
dropped (the alert cannot be read; the detail names the JSON path)""".replace("\n", " ")
_FATE: Json = {
    "type": "object",
    "required": ["alertname", "fingerprint", "outcome"],
    "properties": {
        "alertname": {"type": "string", "description": "Empty if it cannot be read"},
        "fingerprint": {"type": "string", "description": "Empty if it cannot be read"},
        "outcome": {"enum": [outcome.value for outcome in AlertOutcome], "description": _OUTCOMES},
        "detail": {"type": "string", "description": "The reason, in words"},
    },
}
_RECORDED: Json = {
    "type": "object",
    "required": ["recorded", "alerts"],
    "properties": {
        "recorded": {
            "type": "integer",
            "minimum": 0,
            "description": "In how many rollouts the alerts were recorded",
        },
        "refused": {
            "type": "integer",
            "minimum": 1,
            "description": "Alerts of namespaces that these credentials may not post for; they were dropped",
        },
        "alerts": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Fate"},
            "description": "Each alert of the request, in the same order",
        },
    },
}
_ERROR: Json = {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}
_STATUS: Json = {
    "type": "object",
    "required": ["status"],
    "properties": {
        "status": {"enum": ["ok", "not ok"]},
        "because": {"type": "array", "items": _TEXT},
        "remarks": {
            "type": "array",
            "items": _TEXT,
            "description": "What is worth knowing but not a fault, such as a freeze",
        },
    },
}
_SCHEMAS: Json = {
    "Post": {
        "description": "Both paths accept both formats",
        "anyOf": [
            {"$ref": "#/components/schemas/Notification"},
            {"$ref": "#/components/schemas/PostedAlerts"},
        ],
        "examples": [_NOTIFIED, [_EXAMPLE]],
    },
    "Notification": _NOTIFICATION,
    "Alert": _ALERT,
    "PostedAlerts": _POSTED,
    "PostedAlert": _POSTED_ALERT,
    "Recorded": _RECORDED,
    "Fate": _FATE,
    "Error": _ERROR,
    "Status": _STATUS,
}
_REFUSALS = {
    "400": "Not JSON, or not in this format: the error names the JSON path",
    "401": "The credentials or the client's certificate are missing or wrong",
    "403": "The credentials may not post for any of these namespaces",
    "413": "The body is larger than 8 MiB",
    "415": "The body is not plain application/json",
}


def document(*, slack: bool = False) -> Json:
    """The document, with Slack's webhook where that is served.

    It names every status that each path answers with, but a 500, which is always a defect.
    """
    return {
        "openapi": "3.1.0",
        "info": {"title": "Rollback Sentinel", "version": "1"},
        "paths": {
            "/webhooks/alertmanager": {"post": _webhook("Receive a notification of Alertmanager")},
            "/webhooks/alertmanager/api/v2/alerts": {
                "post": _webhook("Receive alerts as an Alertmanager does")
            },
            **({"/webhooks/slack": {"post": _slack()}} if slack else {}),
            "/healthz": {"get": _check("Whether the process is alive; if not, only a restart helps")},
            "/readyz": {"get": _check("Whether it is ready to receive alerts")},
            "/metrics": {"get": _plain("The daemon's metrics, for Prometheus to scrape", "text/plain")},
            "/openapi.json": {"get": _plain("This document", "application/json")},
            "/": {"get": _plain("The list of paths", "application/json")},
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "password": {"type": "http", "scheme": "basic"},
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Slack-Signature",
                    "description": "HMAC-SHA256 of X-Slack-Request-Timestamp and the body, by the signing secret",
                },
            },
        },
    }


def _webhook(summary: str) -> Json:
    later = _answer("Not recorded: retry after Retry-After seconds", "Error")
    later["headers"] = {
        "Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
    }
    return {
        "summary": summary,
        "description": "Answers 200 once the alerts are recorded in the cluster, or concern nothing that is guarded.",
        "security": [{}, {"token": []}, {"password": []}],
        "requestBody": {"required": True, "content": _json("Post")},
        "responses": {
            "200": _answer("Recorded", "Recorded"),
            **{code: _answer(text, "Error") for code, text in _REFUSALS.items()},
            "503": later,
        },
    }


def _slack() -> Json:
    refusals = {
        "400": "The form does not have the payload of an interaction",
        "401": "The signature is missing, wrong, or older than five minutes",
        "408": "The body did not arrive within five seconds",
        "413": "The body is larger than 256 KiB",
        "415": "The body has a Content-Encoding",
        "503": "Too many presses wait",
    }
    form = {"type": "object", "required": ["payload"], "properties": {"payload": _TEXT}}
    return {
        "summary": "Receive a press of a button in Slack",
        "security": [{"signature": []}],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
        "responses": {
            "200": {"description": "Accepted; the outcome is shown in Slack"},
            **{code: _answer(text, "Error") for code, text in refusals.items()},
        },
    }


def _check(summary: str) -> Json:
    return {
        "summary": summary,
        "responses": {"200": _answer("Yes", "Status"), "503": _answer("No; the answer says why", "Status")},
    }


def _plain(summary: str, content: str) -> Json:
    schema: Json = {"type": "object" if content.endswith("json") else "string"}
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": {content: {"schema": schema}}}},
    }


def _answer(description: str, schema: str) -> Json:
    return {"description": description, "content": _json(schema)}


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
