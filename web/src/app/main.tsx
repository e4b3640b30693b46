import "@mantine/core/styles.css";
import "../ui/app.css";
import { createTheme, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { router } from "./router";
import { queries, startServices } from "./services";

const theme = createTheme({ primaryColor: "teal", primaryShade: { light: 9, dark: 8 }, respectReducedMotion: true });

startServices((agentId) => {
  if (router.state.location.pathname === "/") void router.navigate({ to: "/c/$agentId", params: { agentId } });
});
const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <QueryClientProvider client={queries}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
