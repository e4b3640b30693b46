import "@mantine/core/styles/default-css-variables.css";
import "@mantine/core/styles/baseline.css";
import "@mantine/core/styles/global.css";
import "@mantine/core/styles/UnstyledButton.css";
import "@mantine/core/styles/CloseButton.css";
import "@mantine/core/styles/Button.css";
import "@mantine/core/styles/Loader.css";
import "@mantine/core/styles/Overlay.css";
import "@mantine/core/styles/Paper.css";
import "@mantine/core/styles/ScrollArea.css";
import "@mantine/core/styles/Popover.css";
import "@mantine/core/styles/Input.css";
import "@mantine/core/styles/ModalBase.css";
import "@mantine/core/styles/Modal.css";
import "@mantine/core/styles/Drawer.css";
import "@mantine/core/styles/Menu.css";
import "@mantine/core/styles/Progress.css";
import "../ui/app.css";
import "../ui/chat.css";
import "../ui/markdown.css";
import "../ui/menu.css";
import "../ui/pages.css";
import "../ui/narrow.css";
import { createTheme, MantineProvider } from "@mantine/core";
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

const theme = createTheme({ primaryColor: "teal", primaryShade: { light: 9, dark: 8 }, respectReducedMotion: true });

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
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <QueryClientProvider client={queries}>
          <Live connection={connection}>
            <DeviceProvider device={device}>
              <RouterProvider router={router} />
            </DeviceProvider>
          </Live>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
