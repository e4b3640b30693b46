import { MOD } from "../ui/keys";

/** All shortcuts, as the help shows them. */
export const SHORTCUTS: readonly { keys: readonly string[]; does: string }[] = [
  { keys: [MOD, "K"], does: "Search chats and pages" },
  { keys: [MOD, "Shift", "O"], does: "New chat" },
  { keys: [MOD, "B"], does: "Show or hide the sidebar" },
  { keys: [MOD, "Shift", "L"], does: "Show or hide the figures of a chat" },
  { keys: ["/"], does: "Go to the message box" },
  { keys: ["Enter"], does: "Send the message" },
  { keys: ["Shift", "Enter"], does: "New line in the message" },
  { keys: ["Esc"], does: "Stop the answer" },
  { keys: ["?"], does: "Show these shortcuts" },
];
