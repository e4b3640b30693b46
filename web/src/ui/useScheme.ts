import { useSyncExternalStore } from "react";
import { chooseScheme, scheme, shade, watchScheme } from "./scheme";

/** The colours as they were chosen, what that comes to, and choosing. */
export function useScheme() {
  return {
    scheme: useSyncExternalStore(watchScheme, scheme),
    shade: useSyncExternalStore(watchScheme, shade),
    choose: chooseScheme,
  };
}
