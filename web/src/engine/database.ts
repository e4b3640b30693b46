/** A database of this browser (IndexedDB), opened when it is first asked for, and again after a failure. */
export class Opened {
  private opened: Promise<IDBDatabase> | null = null;

  /** `prepare` makes the stores of the first version. */
  constructor(
    private readonly factory: IDBFactory | undefined,
    private readonly name: string,
    private readonly version: number,
    private readonly prepare: (database: IDBDatabase) => void,
  ) {}

  open(): Promise<IDBDatabase> {
    this.opened ??= new Promise<IDBDatabase>((resolve, reject) => {
      if (!this.factory) throw new Error("This browser keeps nothing for pages.");
      const request = this.factory.open(this.name, this.version);
      request.onupgradeneeded = () => this.prepare(request.result);
      request.onsuccess = () => {
        const database = request.result;
        // A newer version of the app waits for us to let go.
        database.onversionchange = () => {
          this.opened = null;
          database.close();
        };
        resolve(database);
      };
      request.onerror = () => reject(request.error);
    }).catch((error: unknown) => {
      this.opened = null;
      throw error;
    });
    return this.opened;
  }
}
