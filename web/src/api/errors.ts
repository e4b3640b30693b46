// Written by tools/reference.py from src/corral/telemetry/classification; `make docs` writes it again.

export type ErrorType = "request" | "access" | "limit" | "model" | "engine" | "provider" | "output" | "storage" | "server" | "network" | "webgpu" | "wasm" | "worker" | "download";
export type Severity = "low" | "medium" | "high" | "critical";
/** Steps that the page takes by itself. */
export type PageStep = "retry" | "wait" | "restart_worker" | "other_backend" | "smaller_context" | "other_place" | "download_again" | "new_version" | "resume" | "fork";
/** Steps that a person has to take. */
export type PersonStep = "change_request" | "change_model" | "change_settings" | "free_storage" | "sign_in" | "reload_page" | "report";

/** A step with its bounds: how often it is taken (else once), and the pause before it in milliseconds, doubling up to `longest`. */
export interface Step {
  readonly strategy: PageStep | PersonStep;
  readonly tries?: number;
  readonly pause?: number;
  readonly longest?: number;
}

export interface ErrorRow {
  readonly type: ErrorType;
  readonly severity: Severity;
  /** The HTTP status; null where no answer of the server has this code. */
  readonly status: number | null;
  /** Whether there is a way on without a person. */
  readonly recoverable: boolean;
  /** Whether the same again can help. */
  readonly retry: boolean;
  /** In order. */
  readonly steps: readonly Step[];
  /** What happened. */
  readonly message: string;
  /** What to do. */
  readonly action: string;
}

export const ERRORS = {
  invalid_request: { type: "request", severity: "low", status: 400, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "The request cannot be understood.", action: "Correct what the message names, and send it again." },
  fields_invalid: { type: "request", severity: "low", status: 422, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "Some fields of the request are wrong.", action: "Correct the fields that are named." },
  context_length_exceeded: { type: "request", severity: "low", status: 400, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "The message is longer than the model can read at once.", action: "Shorten it, or choose a model with a longer context." },
  content_filtered: { type: "request", severity: "low", status: 400, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "The provider's rules do not allow this question.", action: "Say it in other words, or choose another model." },
  not_found: { type: "request", severity: "low", status: 404, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "It is not there.", action: "Look whether the name or address is right; it may have been deleted." },
  method_not_allowed: { type: "request", severity: "low", status: 405, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "This cannot be done at that address.", action: "Use one of the methods that the answer names." },
  request_timeout: { type: "network", severity: "low", status: 408, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 3, pause: 1000, longest: 8000 }], message: "The request came too slowly.", action: "Look at the connection, and try again." },
  conflict: { type: "request", severity: "low", status: 409, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "It has changed meanwhile, or is not possible just now.", action: "Look at how it is now, and do it again." },
  idempotency_conflict: { type: "request", severity: "low", status: 409, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "This key was used for another request.", action: "Use a new idempotency key for another request." },
  gone: { type: "request", severity: "low", status: 410, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "It was there, and is not any more.", action: "Look at how it is now." },
  model_version_gone: { type: "download", severity: "low", status: 410, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "The model's files have changed since.", action: "Read the list of models again, and fetch the version that it names." },
  precondition_failed: { type: "request", severity: "low", status: 412, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "What the request depends on is not so.", action: "Look at how it is now, and send it without that condition." },
  payload_too_large: { type: "request", severity: "low", status: 413, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "This is larger than the server takes.", action: "Send less at once." },
  unsupported_media_type: { type: "request", severity: "low", status: 415, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "The server does not read this kind of body.", action: "Send JSON, with Content-Type: application/json." },
  range_not_satisfiable: { type: "request", severity: "low", status: 416, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "There is nothing at that place.", action: "Ask for a part that exists." },
  misdirected_request: { type: "access", severity: "medium", status: 421, recoverable: false, retry: false, steps: [{ strategy: "change_settings" }], message: "The server does not answer to this host name.", action: "Use its own address, or add the name to allowed_hosts." },
  unauthorized: { type: "access", severity: "low", status: 401, recoverable: false, retry: false, steps: [{ strategy: "sign_in" }], message: "Nobody is signed in, or the key is not known.", action: "Sign in, or use a key that is valid." },
  forbidden: { type: "access", severity: "low", status: 403, recoverable: false, retry: false, steps: [{ strategy: "sign_in" }], message: "This is not allowed with this account or key.", action: "Ask somebody who may, or use another account." },
  overloaded: { type: "limit", severity: "medium", status: 429, recoverable: true, retry: true, steps: [{ strategy: "wait", tries: 3, pause: 1000, longest: 30000 }, { strategy: "other_place" }], message: "Too many are waiting already.", action: "It is tried again in a moment." },
  rate_limit_exceeded: { type: "limit", severity: "low", status: 429, recoverable: true, retry: true, steps: [{ strategy: "wait", tries: 3, pause: 1000, longest: 30000 }, { strategy: "other_place" }], message: "More was asked than is allowed in this time.", action: "Wait for the time that is named." },
  budget_exceeded: { type: "limit", severity: "medium", status: 429, recoverable: true, retry: true, steps: [{ strategy: "wait", longest: 30000 }, { strategy: "change_settings" }], message: "The budget is spent.", action: "Wait until the next one begins, or have the limit raised." },
  price_unknown: { type: "limit", severity: "medium", status: 429, recoverable: false, retry: false, steps: [{ strategy: "change_settings" }], message: "What this model costs is not known, and a budget allows only what has a price.", action: "Set the model's price, or choose another one." },
  model_not_found: { type: "model", severity: "low", status: 404, recoverable: false, retry: false, steps: [{ strategy: "change_model" }], message: "There is no model of this name.", action: "Choose one of the list of models." },
  config_refused: { type: "model", severity: "medium", status: 409, recoverable: false, retry: false, steps: [{ strategy: "change_settings" }], message: "The engine would not start with this setting, so it was not taken.", action: "Change the fields that are named." },
  engine_failed: { type: "engine", severity: "high", status: 502, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 3, pause: 1000, longest: 8000 }, { strategy: "other_place" }], message: "The model could not be started, or it broke down.", action: "Look at the model's page for the reason; it is tried again by itself." },
  no_room: { type: "engine", severity: "high", status: 502, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 3, pause: 1000, longest: 8000 }, { strategy: "other_place" }, { strategy: "change_settings" }], message: "The models that are pinned or in use leave no room for this one.", action: "Stop another model, or raise the memory budget." },
  upstream_failed: { type: "provider", severity: "medium", status: 502, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 3, pause: 1000, longest: 8000 }, { strategy: "other_place" }], message: "The model's provider broke off or cannot be reached.", action: "Try again, or choose another model." },
  upstream_timeout: { type: "provider", severity: "medium", status: 504, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 3, pause: 1000, longest: 8000 }, { strategy: "other_place" }], message: "The model said nothing for too long.", action: "Try again, or choose another model." },
  upstream_overloaded: { type: "provider", severity: "medium", status: 503, recoverable: true, retry: true, steps: [{ strategy: "wait", tries: 3, pause: 1000, longest: 30000 }, { strategy: "other_place" }], message: "The model's provider has too much to do.", action: "It is tried again in a moment." },
  output_invalid: { type: "output", severity: "medium", status: 502, recoverable: true, retry: true, steps: [{ strategy: "retry" }], message: "The answer is not in the form that was asked for.", action: "Try again, make the schema simpler, or choose a model that keeps to schemas." },
  provider_refused: { type: "provider", severity: "high", status: 502, recoverable: false, retry: false, steps: [{ strategy: "change_settings" }], message: "The provider does not accept the key.", action: "Look at the provider's key." },
  provider_quota_exhausted: { type: "provider", severity: "high", status: 502, recoverable: false, retry: false, steps: [{ strategy: "change_settings" }], message: "The account at the provider has no credit left.", action: "Add credit there, or use another provider." },
  interrupted: { type: "engine", severity: "medium", status: 503, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 3, pause: 1000, longest: 8000 }], message: "The answer was broken off too often.", action: "Send it again." },
  internal: { type: "server", severity: "critical", status: 500, recoverable: false, retry: false, steps: [{ strategy: "report" }], message: "Something went wrong in Corral.", action: "The log has the details under the request's id." },
  secret_unreadable: { type: "server", severity: "critical", status: 500, recoverable: false, retry: false, steps: [{ strategy: "change_settings" }], message: "A stored key cannot be opened.", action: "Give the server its master key back, or enter the key again." },
  unavailable: { type: "server", severity: "high", status: 503, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 5, pause: 2000, longest: 30000 }, { strategy: "other_place" }], message: "This cannot be done just now.", action: "It is tried again by itself." },
  shutting_down: { type: "server", severity: "medium", status: 503, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 5, pause: 2000, longest: 30000 }, { strategy: "other_place" }], message: "The server is stopping.", action: "It goes on when the server is back." },
  storage_unavailable: { type: "storage", severity: "critical", status: 503, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 5, pause: 2000, longest: 30000 }], message: "The server cannot write to its database just now; nothing was lost.", action: "It is tried again by itself; look at the log if it lasts." },
  storage_full: { type: "storage", severity: "critical", status: 507, recoverable: true, retry: true, steps: [{ strategy: "free_storage" }, { strategy: "retry", tries: 5, pause: 2000, longest: 30000 }], message: "The server's disk is full; nothing was lost.", action: "Delete models or files that are not needed." },
  device_gpu_missing: { type: "webgpu", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_backend" }, { strategy: "other_place" }], message: "This browser has no graphics adapter for models.", action: "The model runs on the processor instead, more slowly." },
  device_gpu_lost: { type: "webgpu", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_backend" }, { strategy: "restart_worker", pause: 200, longest: 200 }, { strategy: "other_place" }], message: "The graphics card was lost while it worked.", action: "The model goes on with the processor; close other pages that use the graphics card if it happens often." },
  device_wasm_missing: { type: "wasm", severity: "medium", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_place" }, { strategy: "change_model" }], message: "This browser cannot run models.", action: "Have the server answer, or use a newer browser." },
  device_memory: { type: "wasm", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_backend" }, { strategy: "smaller_context", tries: 2 }, { strategy: "other_place" }, { strategy: "change_model" }], message: "The browser has not enough memory for this model.", action: "Close other pages, or choose a smaller model." },
  device_context_exceeded: { type: "request", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_place" }, { strategy: "change_request" }], message: "The conversation is longer than the model on this device can read.", action: "Have the server answer, or begin a new conversation." },
  device_schema_unsupported: { type: "request", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_place" }, { strategy: "change_request" }], message: "The schema asks for something that the model here cannot be held to.", action: "Make the schema simpler, or have the server answer." },
  device_request_invalid: { type: "request", severity: "low", status: null, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "The request to the model on this device is wrong.", action: "Correct the field that is named." },
  device_queue_full: { type: "limit", severity: "low", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 2, pause: 500, longest: 4000 }, { strategy: "other_place" }], message: "The model on this device is busy.", action: "It is tried again in a moment." },
  device_worker_lost: { type: "worker", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "restart_worker", pause: 200, longest: 200 }, { strategy: "other_backend" }, { strategy: "other_place" }], message: "The part of the page that runs the model has ended.", action: "It is started again by itself." },
  device_stalled: { type: "worker", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "restart_worker", pause: 200, longest: 200 }, { strategy: "other_backend" }, { strategy: "other_place" }], message: "The model on this device made no progress.", action: "It is started again by itself." },
  device_load_failed: { type: "model", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_backend" }, { strategy: "other_place" }, { strategy: "change_model" }], message: "The model could not be loaded in this browser.", action: "Try again, or have the server answer." },
  device_load_timeout: { type: "model", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_backend" }, { strategy: "other_place" }, { strategy: "change_model" }], message: "Loading the model took too long.", action: "Close other pages, or choose a smaller model." },
  device_generation_failed: { type: "worker", severity: "medium", status: null, recoverable: true, retry: false, steps: [{ strategy: "restart_worker", pause: 200, longest: 200 }, { strategy: "other_backend" }, { strategy: "other_place" }], message: "The model on this device broke off.", action: "It is tried again by itself." },
  device_answer_invalid: { type: "output", severity: "medium", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry" }, { strategy: "other_place" }], message: "The answer is not in the form that was asked for.", action: "Try again, or make the schema simpler." },
  device_tab_lost: { type: "worker", severity: "medium", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 2, pause: 500, longest: 4000 }, { strategy: "other_place" }], message: "The tab that ran the model was closed.", action: "Another tab takes over by itself." },
  device_unloaded: { type: "worker", severity: "low", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 2, pause: 500, longest: 4000 }], message: "The model was unloaded.", action: "It is loaded again at the next question." },
  device_model_missing: { type: "model", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_place" }, { strategy: "change_model" }], message: "This model is not on this device.", action: "Download it first, or choose another one." },
  device_model_unknown: { type: "model", severity: "low", status: null, recoverable: false, retry: false, steps: [{ strategy: "change_model" }], message: "There is no model of this name for this device.", action: "Choose one of the list of models." },
  device_model_unfit: { type: "model", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_place" }, { strategy: "change_model" }], message: "A browser cannot run this model.", action: "Have the server answer, or choose a smaller model." },
  device_model_unreadable: { type: "model", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "download_again" }, { strategy: "other_place" }, { strategy: "change_model" }], message: "The model's file is damaged or of a kind that is not read here.", action: "It is fetched again." },
  device_offline: { type: "network", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "resume", tries: 7, pause: 1000, longest: 30000 }], message: "There is no connection.", action: "It goes on when the connection is back." },
  device_download_failed: { type: "download", severity: "medium", status: null, recoverable: true, retry: false, steps: [{ strategy: "resume", tries: 7, pause: 1000, longest: 30000 }], message: "The download broke off.", action: "It goes on from where it was." },
  device_download_corrupt: { type: "download", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "download_again" }], message: "What was downloaded is not what the server has.", action: "The part that is wrong is fetched again." },
  device_version_gone: { type: "download", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "new_version" }], message: "The server has another version of this model now.", action: "The new version is fetched." },
  device_quota_full: { type: "storage", severity: "high", status: null, recoverable: true, retry: false, steps: [{ strategy: "free_storage" }, { strategy: "other_place" }], message: "This browser has no space left for the model.", action: "Remove a model on this page, or make space on this device." },
  device_storage_missing: { type: "storage", severity: "medium", status: null, recoverable: true, retry: false, steps: [{ strategy: "other_place" }], message: "This browser does not store files for pages, as in a private window.", action: "Use a normal window, or have the server answer." },
  device_storage_evicted: { type: "storage", severity: "medium", status: null, recoverable: true, retry: false, steps: [{ strategy: "download_again" }, { strategy: "other_place" }], message: "The browser has removed the model to make space.", action: "Fetch it again, and allow this page to keep its files." },
  device_storage_failed: { type: "storage", severity: "high", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 2, pause: 500, longest: 4000 }, { strategy: "other_place" }, { strategy: "reload_page" }], message: "The browser's storage did not take or give the file.", action: "Try again, or load the page anew." },
  device_forbidden: { type: "access", severity: "low", status: null, recoverable: false, retry: false, steps: [{ strategy: "sign_in" }], message: "This model may not be downloaded with this account.", action: "Sign in, or ask somebody who may." },
  device_busy_elsewhere: { type: "download", severity: "low", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 2, pause: 500, longest: 4000 }], message: "Another tab is at work on this model.", action: "It goes on there." },
  device_turn_conflict: { type: "request", severity: "low", status: null, recoverable: true, retry: false, steps: [{ strategy: "fork" }], message: "The conversation went on elsewhere while this device was offline.", action: "What was written here is kept as a conversation of its own." },
  device_sync_refused: { type: "server", severity: "medium", status: null, recoverable: false, retry: false, steps: [{ strategy: "change_request" }], message: "The server did not take what was written offline.", action: "It is kept on this device; copy it from there." },
  offline: { type: "network", severity: "low", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 5, pause: 1000, longest: 30000 }, { strategy: "other_place" }], message: "There is no connection to the server.", action: "What is written is sent when it is back." },
  unreachable: { type: "network", severity: "medium", status: null, recoverable: true, retry: true, steps: [{ strategy: "retry", tries: 5, pause: 1000, longest: 30000 }, { strategy: "other_place" }], message: "The server cannot be reached.", action: "This page tries again by itself." },
  unknown: { type: "server", severity: "medium", status: null, recoverable: false, retry: false, steps: [{ strategy: "report" }], message: "The server answered something that this page does not understand.", action: "Load the page again; it may be older than the server." },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;
/** Codes of models that run on this device. */
export type LocalCode = Extract<ErrorCode, `device_${string}`>;

/** Steps that the page takes by itself. */
export const PAGE_STEPS: readonly string[] = ["retry", "wait", "restart_worker", "other_backend", "smaller_context", "other_place", "download_again", "new_version", "resume", "fork"];
