import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { listAgents } from "../api/client";
import { keepUnread, markUnread, readUnread } from "../engine/unread";

/** The conversations with an answer that came while another was on the screen. */
export function useUnread(current: string | null): readonly string[] {
  const { data } = useQuery({ queryKey: ["agents"], queryFn: listAgents });
  const [state, setState] = useState(() => readUnread(localStorage));
  useEffect(() => {
    if (!data) return;
    setState((before) => {
      const after = markUnread(before, data, current);
      if (JSON.stringify(after) === JSON.stringify(before)) return before;
      keepUnread(localStorage, after);
      return after;
    });
  }, [data, current]);
  return state.unread;
}
