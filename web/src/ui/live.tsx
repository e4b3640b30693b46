import { useQuery } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext, useEffect, useRef } from "react";
import type { Connection } from "../engine/connection";

const Context = createContext<Connection | null>(null);

/** Gives the pages below it the one connection. */
export function Live({ connection, children }: { connection: Connection; children: ReactNode }) {
  return <Context value={connection}>{children}</Context>;
}

/** The connection to the server. */
export function useConnection(): Connection {
  const connection = useContext(Context);
  if (!connection) throw new Error("no connection above this component");
  return connection;
}

/** Calls `listener` with the data of each `event` that the server sends while the component is shown. */
export function usePush<T>(event: string, listener: (data: T) => void): void {
  const connection = useConnection();
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => connection.on(event, (data) => latest.current(data as T)), [connection, event]);
}

/** What the server answers to an intent; asked again after every reconnect. The key is the intent and its data. */
export function useAsked<T>(intent: string, data: object = {}, enabled = true) {
  const connection = useConnection();
  return useQuery({
    queryKey: [intent, data],
    queryFn: () => connection.ask<T>(intent, data),
    enabled,
  });
}
