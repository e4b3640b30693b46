import { io } from "socket.io-client";
import type { Wire } from "../engine/connection";

/** The Socket.IO client as the connection's wire; when it connects is the connection's to say. */
export function openSocket(): Wire {
  const socket = io({
    path: "/llamaproxws",
    autoConnect: false,
    reconnection: false,
    transports: ["websocket", "polling"],
  });
  return socket as unknown as Wire;
}
