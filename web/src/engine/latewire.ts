import type { Wire } from "./connection";

type Hear = (wire: Wire) => void;

/** A wire whose transport is loaded when it is to connect for the first time: what draws a page does not need it. */
export class LateWire implements Wire {
  private wire: Wire | null = null;
  private wanted = false;
  private loading = false;
  private readonly hearing: Hear[] = [];
  private readonly failing: ((reason: unknown) => void)[] = [];

  constructor(private readonly load: () => Promise<Wire>) {}

  get connected(): boolean {
    return this.wire?.connected ?? false;
  }

  /** A transport that cannot be loaded is a connection that cannot be made, and the next try loads it again. */
  connect(): void {
    this.wanted = true;
    if (this.wire) this.wire.connect();
    else if (!this.loading) void this.fetch();
  }

  disconnect(): void {
    this.wanted = false;
    this.wire?.disconnect();
  }

  emit(event: string, payload: unknown): void {
    this.wire?.emit(event, payload);
  }

  on(event: string, handler: (payload: unknown) => void): void {
    if (event === "connect_error") this.failing.push(handler);
    this.hear((wire) => wire.on(event, handler));
  }

  onAny(handler: (event: string, payload: unknown) => void): void {
    this.hear((wire) => wire.onAny(handler));
  }

  private hear(hear: Hear): void {
    if (this.wire) hear(this.wire);
    else this.hearing.push(hear);
  }

  private async fetch(): Promise<void> {
    this.loading = true;
    let wire: Wire;
    try {
      wire = await this.load();
    } catch (error) {
      if (this.wanted) for (const failed of this.failing) failed(error);
      return;
    } finally {
      this.loading = false;
    }
    this.wire = wire;
    for (const hear of this.hearing.splice(0)) hear(wire);
    if (this.wanted) wire.connect();
  }
}
