"""Errors of what runs in the browser: models on this device, their files, and the way to the server."""

from __future__ import annotations

from corral.telemetry.classification.types import Row, Severity, Step, Strategy, Type

_LOW, _MEDIUM, _HIGH = Severity.LOW, Severity.MEDIUM, Severity.HIGH
_RETRY = Step(Strategy.RETRY, tries=2, pause=0.5, longest=4.0)
_NETWORK = Step(Strategy.RETRY, tries=5, pause=1.0, longest=30.0)
_WORKER = Step(Strategy.RESTART_WORKER, pause=0.2, longest=0.2)
_BACKEND, _CONTEXT = Step(Strategy.OTHER_BACKEND), Step(Strategy.SMALLER_CONTEXT, tries=2)
_PLACE = Step(Strategy.OTHER_PLACE)
_AGAIN = Step(Strategy.DOWNLOAD_AGAIN)
_RESUME = Step(Strategy.RESUME, tries=7, pause=1.0, longest=30.0)
_REQUEST, _MODEL, _SPACE = Step(Strategy.CHANGE_REQUEST), Step(Strategy.CHANGE_MODEL), Step(Strategy.FREE_STORAGE)
_RELOAD, _SIGN_IN, _SETTINGS = Step(Strategy.RELOAD_PAGE), Step(Strategy.SIGN_IN), Step(Strategy.CHANGE_SETTINGS)
_WAIT = Step(Strategy.WAIT, pause=1.0, longest=20.0)

ENGINE = (
    Row("device_gpu_missing", Type.WEBGPU, _LOW, (_BACKEND, _PLACE), "This browser has no graphics adapter for models.",
        "The model runs on the processor instead, more slowly."),
    Row("device_gpu_lost", Type.WEBGPU, _HIGH, (_BACKEND, _WORKER, _PLACE), "The graphics card was lost while it worked.",
        "The model goes on with the processor; close other pages that use the graphics card if it happens often."),
    Row("device_wasm_missing", Type.WASM, _MEDIUM, (_PLACE, _MODEL), "This browser cannot run models.", "Have the server answer, or use a newer browser."),
    Row("device_memory", Type.WASM, _HIGH, (_BACKEND, _CONTEXT, _PLACE, _MODEL), "The browser has not enough memory for this model.",
        "Close other pages, or choose a smaller model."),
    Row("device_context_exceeded", Type.REQUEST, _LOW, (_PLACE, _REQUEST), "The conversation is longer than the model on this device can read.",
        "Have the server answer, or begin a new conversation."),
    Row("device_schema_unsupported", Type.REQUEST, _LOW, (_PLACE, _REQUEST), "The schema asks for something that the model here cannot be held to.",
        "Make the schema simpler, or have the server answer."),
    Row("device_request_invalid", Type.REQUEST, _LOW, (_REQUEST,), "The request to the model on this device is wrong.", "Correct the field that is named."),
    Row("device_queue_full", Type.LIMIT, _LOW, (_RETRY, _PLACE), "The model on this device is busy.", "It is tried again in a moment."),
    Row("device_worker_lost", Type.WORKER, _HIGH, (_WORKER, _BACKEND, _PLACE), "The part of the page that runs the model has ended.", "It is started again by itself."),
    Row("device_stalled", Type.WORKER, _HIGH, (_WORKER, _BACKEND, _PLACE), "The model on this device made no progress.", "It is started again by itself."),
    Row("device_load_failed", Type.MODEL, _HIGH, (_BACKEND, _PLACE, _MODEL), "The model could not be loaded in this browser.",
        "Try again, or have the server answer."),
    Row("device_load_timeout", Type.MODEL, _HIGH, (_BACKEND, _PLACE, _MODEL), "Loading the model took too long.",
        "Close other pages, or choose a smaller model."),
    Row("device_generation_failed", Type.WORKER, _MEDIUM, (_WORKER, _BACKEND, _PLACE), "The model on this device broke off.", "It is tried again by itself."),
    Row("device_answer_invalid", Type.OUTPUT, _MEDIUM, (Step(Strategy.RETRY), _PLACE), "The answer is not in the form that was asked for.",
        "Try again, or make the schema simpler."),
    Row("device_tab_lost", Type.WORKER, _MEDIUM, (_RETRY, _PLACE), "The tab that ran the model was closed.", "Another tab takes over by itself."),
    Row("device_unloaded", Type.WORKER, _LOW, (_RETRY,), "The model was unloaded.", "It is loaded again at the next question."),
    Row("device_model_missing", Type.MODEL, _LOW, (_PLACE, _MODEL), "This model is not on this device.", "Download it first, or choose another one."),
    Row("device_model_unknown", Type.MODEL, _LOW, (_MODEL,), "There is no model of this name for this device.", "Choose one of the list of models."),
    Row("device_model_unfit", Type.MODEL, _LOW, (_PLACE, _MODEL), "A browser cannot run this model.", "Have the server answer, or choose a smaller model."),
    Row("device_model_unreadable", Type.MODEL, _HIGH, (_AGAIN, _PLACE, _MODEL), "The model's file is damaged or of a kind that is not read here.",
        "It is fetched again."),
)  # fmt: skip

FILES = (
    Row("device_offline", Type.NETWORK, _LOW, (_RESUME,), "There is no connection.", "It goes on when the connection is back."),
    Row("device_download_failed", Type.DOWNLOAD, _MEDIUM, (_RESUME,), "The download broke off.", "It goes on from where it was."),
    Row("device_download_corrupt", Type.DOWNLOAD, _HIGH, (_AGAIN,), "What was downloaded is not what the server has.", "The part that is wrong is fetched again."),
    Row("device_version_gone", Type.DOWNLOAD, _LOW, (Step(Strategy.NEW_VERSION),), "The server has another version of this model now.", "The new version is fetched."),
    Row("device_quota_full", Type.STORAGE, _HIGH, (_SPACE, _PLACE), "This browser has no space left for the model.",
        "Remove a model on this page, or make space on this device."),
    Row("device_storage_missing", Type.STORAGE, _MEDIUM, (_PLACE,), "This browser does not store files for pages, as in a private window.",
        "Use a normal window, or have the server answer."),
    Row("device_storage_evicted", Type.STORAGE, _MEDIUM, (_AGAIN, _PLACE), "The browser has removed the model to make space.",
        "Fetch it again, and allow this page to keep its files."),
    Row("device_storage_failed", Type.STORAGE, _HIGH, (_RETRY, _PLACE, _RELOAD), "The browser's storage did not take or give the file.", "Try again, or load the page anew."),
    Row("device_forbidden", Type.ACCESS, _LOW, (_SIGN_IN,), "This model may not be downloaded with this account.", "Sign in, or ask somebody who may."),
    Row("device_busy_elsewhere", Type.DOWNLOAD, _LOW, (_RETRY,), "Another tab is at work on this model.", "It goes on there."),
)  # fmt: skip

KEYS = (
    Row("device_key_refused", Type.ACCESS, _LOW, (_SETTINGS,), "The provider does not accept your key.",
        "Enter the key again on the page On this device, or make a new one at the provider."),
    Row("device_key_missing", Type.MODEL, _LOW, (_SETTINGS, _MODEL), "This browser has no key for this model.",
        "Add the provider on the page On this device, or choose another model."),
    Row("device_key_unreadable", Type.STORAGE, _MEDIUM, (_SETTINGS,), "The key in this browser cannot be opened for this address.",
        "Enter the key again on the page On this device."),
    Row("device_insecure", Type.ACCESS, _MEDIUM, (_SETTINGS,), "This page was not opened over HTTPS, so the browser cannot encrypt keys for it.",
        "Open it over HTTPS or on localhost, or have the provider added on the server."),
    Row("device_provider_limited", Type.LIMIT, _LOW, (_WAIT, _PLACE), "The provider takes no more requests from your key for now.", "Wait a moment, and ask again."),
    Row("device_provider_credit", Type.LIMIT, _MEDIUM, (_SETTINGS, _MODEL), "The account of your key has no credit left.", "Look at the account at the provider."),
    Row("device_provider_refused", Type.REQUEST, _LOW, (_REQUEST, _MODEL), "The provider refused the request.",
        "Look at what it says: at the model's name, the address, or the answer settings."),
    Row("device_provider_failed", Type.PROVIDER, _MEDIUM, (_RETRY, _PLACE), "The provider failed.", "Try again in a moment, or choose another model."),
    Row("device_provider_timeout", Type.PROVIDER, _MEDIUM, (_RETRY, _PLACE), "The provider said nothing for too long.", "Try again in a moment, or choose another model."),
    Row("device_provider_unreachable", Type.NETWORK, _MEDIUM, (_PLACE, _SETTINGS), "The provider cannot be reached from this browser.",
        "Look at the connection and the address. Some providers answer no web pages (CORS): those only a server can ask."),
)  # fmt: skip
"""Providers that a person asks from the browser, with keys that only the browser knows."""

TURNS = (
    Row("device_turn_conflict", Type.REQUEST, _LOW, (Step(Strategy.FORK),), "The conversation went on elsewhere while this device was offline.",
        "What was written here is kept as a conversation of its own."),
    Row("device_sync_refused", Type.SERVER, _MEDIUM, (_REQUEST,), "The server did not take what was written offline.", "It is kept on this device; copy it from there."),
)  # fmt: skip

PAGE = (
    Row("offline", Type.NETWORK, _LOW, (_NETWORK, _PLACE), "There is no connection to the server.", "What is written is sent when it is back."),
    Row("unreachable", Type.NETWORK, _MEDIUM, (_NETWORK, _PLACE), "The server cannot be reached.", "This page tries again by itself."),
    Row("page_failed", Type.PAGE, _HIGH, (_RELOAD, Step(Strategy.REPORT)), "A part of this page failed.", "Load the page again; what you wrote is kept."),
    Row("unknown", Type.SERVER, _MEDIUM, (Step(Strategy.REPORT),), "The server answered something that this page does not understand.",
        "Load the page again; it may be older than the server."),
)  # fmt: skip
