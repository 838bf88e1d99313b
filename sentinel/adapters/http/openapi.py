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
    "description": "Shown, and cut where they are too long; what is not text is passed over",
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
        "endsAt": {**_TIME, "type": ["string", "null"], "description": "It is resolved once that is past"},
        "generatorURL": _TEXT,
    },
}


def _or_dropped(schema: str) -> Json:
    """An alert, or anything else: it is no reason to refuse the post."""
    other = {"description": "Anything else is dropped alone, and the answer says why"}
    return {"anyOf": [{"$ref": f"#/components/schemas/{schema}"}, other]}


_EXAMPLE: Json = {
    "labels": {
        "alertname": "HighErrorRate",
        "severity": "critical",
        "namespace": "shop",
        "deployment": "web",
    },
    "annotations": {"summary": "12 % of the requests fail"},
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
    "description": "Alertmanager's webhook payload; other keys are passed over",
    "required": ["version", "alerts"],
    "properties": {
        "version": {"enum": ["4", "1"], "description": "Alertmanager's is 4, Grafana's 1"},
        "alerts": {"type": "array", "maxItems": 10_000, "items": _or_dropped("Alert")},
        "truncatedAlerts": {"description": "How many more there are; recorded where it is a number"},
        "receiver": {"description": "Passed over where it is no text"},
    },
}
_OUTCOMES = """What became of it:
recorded (it stands in the record of each rollout that it concerns),
idle (it concerns workloads that are known, and nothing can happen to any of them now),
unknown (a policy means it, and it names nothing that is known: logged, and told once),
unmatched (no policy means it),
other-cluster (it says that it is about another cluster than the settings name),
forbidden (the credentials may not post alerts of its namespace),
dropped (it cannot be read; the detail names the JSON path)""".replace("\n", " ")
_FATE: Json = {
    "type": "object",
    "required": ["alertname", "fingerprint", "outcome"],
    "properties": {
        "alertname": {"type": "string", "description": "Empty where it cannot be read"},
        "fingerprint": {"type": "string", "description": "Empty where it cannot be read"},
        "outcome": {"enum": [outcome.value for outcome in AlertOutcome], "description": _OUTCOMES},
        "detail": {"type": "string", "description": "Why, in words"},
    },
}
_RECORDED: Json = {
    "type": "object",
    "required": ["recorded", "alerts"],
    "properties": {
        "recorded": {"type": "integer", "minimum": 0, "description": "To how many rollouts it was recorded"},
        "refused": {
            "type": "integer",
            "minimum": 1,
            "description": "Alerts of namespaces that these credentials may not post for; they were dropped",
        },
        "alerts": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/Fate"},
            "description": "Each alert of the post, in its order",
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
            "description": "No fault, but good to know: it is frozen",
        },
    },
}
_SCHEMAS: Json = {
    "Post": {
        "description": "Either is taken, whichever path it is posted to",
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
    "400": "Not JSON, or as a whole not of this shape: the sentence names the JSON path",
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
            "/webhooks/alertmanager": {"post": _webhook("Take a notification of Alertmanager in")},
            "/webhooks/alertmanager/api/v2/alerts": {
                "post": _webhook("Take alerts in as an Alertmanager does")
            },
            **({"/webhooks/slack": {"post": _slack()}} if slack else {}),
            "/healthz": {"get": _check("Whether only a restart could mend it")},
            "/readyz": {"get": _check("Whether it may be sent alerts")},
            "/metrics": {"get": _plain("Its own metrics, as Prometheus scrapes them", "text/plain")},
            "/openapi.json": {"get": _plain("This document", "application/json")},
            "/": {"get": _plain("Where all this is", "application/json")},
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
    later = _answer("Not recorded: come again after Retry-After seconds", "Error")
    later["headers"] = {
        "Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
    }
    return {
        "summary": summary,
        "description": "Answered 200 only when it is recorded in the cluster, or concerns nothing that is guarded.",
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
        "400": "The form has no payload of an interaction",
        "401": "The signature is missing, wrong, or older than five minutes",
        "408": "The body did not come within five seconds",
        "413": "The body is larger than 256 KiB",
        "415": "The body has a Content-Encoding",
        "503": "Too many presses wait",
    }
    form = {"type": "object", "required": ["payload"], "properties": {"payload": _TEXT}}
    return {
        "summary": "Take a press of a button in Slack in",
        "security": [{"signature": []}],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
        "responses": {
            "200": {"description": "Taken in; what comes of it is said in Slack"},
            **{code: _answer(text, "Error") for code, text in refusals.items()},
        },
    }


def _check(summary: str) -> Json:
    return {
        "summary": summary,
        "responses": {"200": _answer("It is well", "Status"), "503": _answer("It says why not", "Status")},
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
