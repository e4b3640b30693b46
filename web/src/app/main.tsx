import "../ui/app.css";
import "../ui/chat.css";
import "../ui/markdown.css";
import "../ui/menu.css";
import "../ui/pages.css";
import "../ui/narrow.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { SERVERLESS } from "../engine/edition";
import { showDensity } from "../ui/density";
import { DeviceProvider } from "../ui/device";
import { Live } from "../ui/live";
import { device, fetchIncluded } from "./device";
import { startLocal } from "./local";
import { router } from "./router";
import { connection, queries, startServices } from "./services";

startServices((agentId) => {
  if (router.state.location.pathname === "/") void router.navigate({ to: "/c/$agentId", params: { agentId } });
});
startLocal();
if (SERVERLESS) void fetchIncluded();
showDensity();
const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <Live connection={connection}>
          <DeviceProvider device={device}>
            <RouterProvider router={router} />
          </DeviceProvider>
        </Live>
      </QueryClientProvider>
    </StrictMode>,
  );
