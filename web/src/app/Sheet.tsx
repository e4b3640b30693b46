import { Drawer } from "@mantine/core";
import type { ReactNode } from "react";
import { Themed } from "../ui/Themed";

/** The sidebar on narrow screens, over the page. */
export function Sheet({ opened, onClose, children }: { opened: boolean; onClose: () => void; children: ReactNode }) {
  return (
    <Themed>
      <Drawer
        opened={opened}
        onClose={onClose}
        size={288}
        title="Menu"
        closeButtonProps={{ "aria-label": "Close menu" }}
        transitionProps={{ duration: 150 }}
      >
        {children}
      </Drawer>
    </Themed>
  );
}
