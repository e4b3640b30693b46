/** The wire forms of Corral's control API. */
export interface Agent {
  id: string;
  title: string;
  createdAt: string;
  updatedAt: string;
  messageCount: number;
  state: string;
  model: string | null;
}

export interface Message {
  id: string;
  seq: number;
  role: string;
  content: string;
  state: string;
  turnId: string | null;
  createdAt: string;
}

export interface Model {
  name: string;
  state: string;
  sizeBytes?: number | null;
  architecture?: string | null;
  parameters?: number | null;
  quantization?: string | null;
  contextLength?: number | null;
  progress?: number | null;
  /** Whether new chats use it. */
  default?: boolean;
  included?: boolean;
  problem?: string | null;
  error?: { code: string; message: string; hint?: string; lastLines?: string[] } | null;
  engine?: {
    progress?: number | null;
    pid?: number | null;
    error?: { code: string; message: string; hint?: string; lastLines?: string[] } | null;
  } | null;
}

export interface TurnEvent {
  offset: number;
  turnId: string;
  type: string;
  text?: string;
  state?: string;
  completionTokens?: number;
  code?: string;
  message?: string;
}

/** What the server answers when it refuses. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
