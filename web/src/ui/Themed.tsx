import "@mantine/core/styles/default-css-variables.css";
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
import "./themed.css";
import { createTheme, MantineProvider } from "@mantine/core";
import type { ReactNode } from "react";
import { useScheme } from "./useScheme";

const theme = createTheme({ primaryColor: "teal", primaryShade: { light: 9, dark: 8 }, respectReducedMotion: true });

/** Gives Mantine's parts below it their theme and styles. The frame and an empty chat have none of them, and load nothing of it. */
export function Themed({ children }: { children: ReactNode }) {
  const { shade } = useScheme();
  return (
    <MantineProvider theme={theme} defaultColorScheme="auto" forceColorScheme={shade}>
      {children}
    </MantineProvider>
  );
}
