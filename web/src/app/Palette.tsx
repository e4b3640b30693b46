import { Modal, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { listAgents } from "../api/client";
import { Themed } from "../ui/Themed";
import { PAGES } from "./pages";

interface Entry {
  id: string;
  label: string;
  run: () => unknown;
}

/** So many are listed: all pages, and the newest chats below them. */
const LISTED = 30;

/** Ctrl/Cmd+K: go to a page or a chat by typing a part of its name. */
export function Palette({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const { data = [] } = useQuery({ queryKey: ["agents"], queryFn: listAgents });
  const entries: Entry[] = [
    { id: "new", label: "New chat", run: () => navigate({ to: "/" }) },
    ...PAGES.map(({ to, label }) => ({ id: to, label, run: () => navigate({ to }) })),
    ...data
      .filter((agent) => agent.messageCount > 0)
      .map((agent) => ({
        id: agent.id,
        label: agent.title,
        run: () => navigate({ to: "/c/$agentId", params: { agentId: agent.id } }),
      })),
  ];
  const found = entries.filter((entry) => entry.label.toLowerCase().includes(query.toLowerCase())).slice(0, LISTED);
  const close = () => {
    setQuery("");
    setAt(0);
    onClose();
  };
  const pick = (entry: Entry | undefined) => {
    if (!entry) return;
    entry.run();
    close();
  };
  return (
    <Themed>
      <Modal
        opened={opened}
        onClose={close}
        title="Go to"
        size="md"
        closeButtonProps={{ "aria-label": "Close" }}
        transitionProps={{ duration: 120 }}
      >
        <TextInput
          data-autofocus
          aria-label="Search chats and pages"
          placeholder="Search chats and pages"
          value={query}
          onChange={(event) => {
            setQuery(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={(event) => {
            if (event.nativeEvent.isComposing) return;
            if (event.key === "ArrowDown") setAt(Math.max(0, Math.min(at + 1, found.length - 1)));
            else if (event.key === "ArrowUp") setAt(Math.max(at - 1, 0));
            else if (event.key === "Enter") pick(found[at]);
            else return;
            event.preventDefault();
          }}
        />
        <div className="palette">
          {found.map((entry, index) => (
            <button key={entry.id} type="button" data-at={index === at} onClick={() => pick(entry)}>
              {entry.label}
            </button>
          ))}
          {found.length === 0 && <p className="hint">No chat or page has “{query}” in its name.</p>}
        </div>
      </Modal>
    </Themed>
  );
}
