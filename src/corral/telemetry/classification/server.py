"""Errors that the server tells. Their status, and whether the same again helps, stand where they are defined (`corral.kit.errors`)."""

from __future__ import annotations

from corral.telemetry.classification.types import Row, Severity, Step, Strategy, Type

_LOW, _MEDIUM, _HIGH, _CRITICAL = Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL
_RETRY = Step(Strategy.RETRY, tries=3, pause=1.0, longest=8.0)
_LATER = Step(Strategy.RETRY, tries=5, pause=2.0, longest=30.0)
_WAIT = Step(Strategy.WAIT, tries=3, pause=1.0, longest=30.0)
_OTHER = Step(Strategy.OTHER_CANDIDATE, tries=16)
_CONTINUE = Step(Strategy.CONTINUE, tries=16)
_ENGINE = Step(Strategy.RESTART_ENGINE, tries=5, pause=1.0, longest=60.0)
_PLACE = Step(Strategy.OTHER_PLACE)
_REQUEST, _MODEL = Step(Strategy.CHANGE_REQUEST), Step(Strategy.CHANGE_MODEL)
_SETTINGS, _STORAGE = Step(Strategy.CHANGE_SETTINGS), Step(Strategy.FREE_STORAGE)
_SIGN_IN, _RELOAD, _REPORT = Step(Strategy.SIGN_IN), Step(Strategy.RELOAD_PAGE), Step(Strategy.REPORT)

REQUEST = (
    Row("invalid_request", Type.REQUEST, _LOW, (_REQUEST,), "The request cannot be understood.", "Correct what the message names, and send it again."),
    Row("fields_invalid", Type.REQUEST, _LOW, (_REQUEST,), "Some fields of the request are wrong.", "Correct the fields that are named."),
    Row("context_length_exceeded", Type.REQUEST, _LOW, (_OTHER, _REQUEST), "The message is longer than the model can read at once.",
        "Shorten it, or choose a model with a longer context."),
    Row("content_filtered", Type.REQUEST, _LOW, (_OTHER, _REQUEST), "The provider's rules do not allow this question.", "Say it in other words, or choose another model."),
    Row("not_found", Type.REQUEST, _LOW, (_REQUEST,), "It is not there.", "Look whether the name or address is right; it may have been deleted."),
    Row("method_not_allowed", Type.REQUEST, _LOW, (_REQUEST,), "This cannot be done at that address.", "Use one of the methods that the answer names."),
    Row("request_timeout", Type.NETWORK, _LOW, (_RETRY,), "The request came too slowly.", "Look at the connection, and try again."),
    Row("conflict", Type.REQUEST, _LOW, (_REQUEST,), "It has changed meanwhile, or is not possible just now.", "Look at how it is now, and do it again."),
    Row("idempotency_conflict", Type.REQUEST, _LOW, (_REQUEST,), "This key was used for another request.", "Use a new idempotency key for another request."),
    Row("gone", Type.REQUEST, _LOW, (_REQUEST,), "It was there, and is not any more.", "Look at how it is now."),
    Row("model_version_gone", Type.DOWNLOAD, _LOW, (_REQUEST,), "The model's files have changed since.", "Read the list of models again, and fetch the version that it names."),
    Row("precondition_failed", Type.REQUEST, _LOW, (_REQUEST,), "What the request depends on is not so.", "Look at how it is now, and send it without that condition."),
    Row("payload_too_large", Type.REQUEST, _LOW, (_REQUEST,), "This is larger than the server takes.", "Send less at once."),
    Row("unsupported_media_type", Type.REQUEST, _LOW, (_REQUEST,), "The server does not read this kind of body.", "Send JSON, with Content-Type: application/json."),
    Row("range_not_satisfiable", Type.REQUEST, _LOW, (_REQUEST,), "There is nothing at that place.", "Ask for a part that exists."),
    Row("misdirected_request", Type.ACCESS, _MEDIUM, (_SETTINGS,), "The server does not answer to this host name.", "Use its own address, or add the name to allowed_hosts."),
    Row("unauthorized", Type.ACCESS, _LOW, (_SIGN_IN,), "Nobody is signed in, or the key is not known.", "Sign in, or use a key that is valid."),
    Row("forbidden", Type.ACCESS, _LOW, (_SIGN_IN,), "This is not allowed with this account or key.", "Ask somebody who may, or use another account."),
)  # fmt: skip

LIMITS = (
    Row("overloaded", Type.LIMIT, _MEDIUM, (_OTHER, _WAIT, _PLACE), "Too many are waiting already.", "It is tried again in a moment."),
    Row("rate_limit_exceeded", Type.LIMIT, _LOW, (_OTHER, _WAIT, _PLACE), "More was asked than is allowed in this time.", "Wait for the time that is named."),
    Row("budget_exceeded", Type.LIMIT, _MEDIUM, (_OTHER, Step(Strategy.WAIT, tries=1, longest=30.0), _SETTINGS), "The budget is spent.",
        "Wait until the next one begins, or have the limit raised."),
    Row("price_unknown", Type.LIMIT, _MEDIUM, (_OTHER, _SETTINGS), "What this model costs is not known, and a budget allows only what has a price.",
        "Set the model's price, or choose another one."),
)  # fmt: skip

MODELS = (
    Row("model_not_found", Type.MODEL, _LOW, (_OTHER, _MODEL), "There is no model of this name.", "Choose one of the list of models."),
    Row("config_refused", Type.MODEL, _MEDIUM, (_SETTINGS,), "The engine would not start with this setting, so it was not taken.", "Change the fields that are named."),
    Row("engine_failed", Type.ENGINE, _HIGH, (_ENGINE, _OTHER, _RETRY, _PLACE), "The model could not be started, or it broke down.",
        "Look at the model's page for the reason; it is tried again by itself."),
    Row("no_room", Type.ENGINE, _HIGH, (Step(Strategy.FREE_MEMORY), _OTHER, _RETRY, _PLACE, _SETTINGS), "The models that are pinned or in use leave no room for this one.",
        "Stop another model, or raise the memory budget."),
    Row("upstream_failed", Type.PROVIDER, _MEDIUM, (_OTHER, _CONTINUE, _RETRY, _PLACE), "The model's provider broke off or cannot be reached.", "Try again, or choose another model."),
    Row("upstream_timeout", Type.PROVIDER, _MEDIUM, (_OTHER, _CONTINUE, _RETRY, _PLACE), "The model said nothing for too long.", "Try again, or choose another model."),
    Row("upstream_overloaded", Type.PROVIDER, _MEDIUM, (_OTHER, _WAIT, _PLACE), "The model's provider has too much to do.", "It is tried again in a moment."),
    Row("output_invalid", Type.OUTPUT, _MEDIUM, (Step(Strategy.REPAIR, tries=2), _OTHER, Step(Strategy.RETRY, tries=1)), "The answer is not in the form that was asked for.",
        "Try again, make the schema simpler, or choose a model that keeps to schemas."),
    Row("provider_refused", Type.PROVIDER, _HIGH, (_OTHER, _SETTINGS), "The provider does not accept the key.", "Look at the provider's key."),
    Row("provider_quota_exhausted", Type.PROVIDER, _HIGH, (_OTHER, _SETTINGS), "The account at the provider has no credit left.", "Add credit there, or use another provider."),
    Row("interrupted", Type.ENGINE, _MEDIUM, (_RETRY,), "The answer was broken off too often.", "Send it again."),
)  # fmt: skip

SERVER = (
    Row("internal", Type.SERVER, _CRITICAL, (_REPORT,), "Something went wrong in Corral.", "The log has the details under the request's id."),
    Row("secret_unreadable", Type.SERVER, _CRITICAL, (_SETTINGS,), "A stored key cannot be opened.", "Give the server its master key back, or enter the key again."),
    Row("unavailable", Type.SERVER, _HIGH, (_LATER, _PLACE), "This cannot be done just now.", "It is tried again by itself."),
    Row("shutting_down", Type.SERVER, _MEDIUM, (_LATER, _PLACE), "The server is stopping.", "It goes on when the server is back."),
    Row("storage_unavailable", Type.STORAGE, _CRITICAL, (_LATER,), "The server cannot write to its database just now; nothing was lost.", "It is tried again by itself; look at the log if it lasts."),
    Row("storage_full", Type.STORAGE, _CRITICAL, (_STORAGE, _LATER), "The server's disk is full; nothing was lost.", "Delete models or files that are not needed."),
)  # fmt: skip
