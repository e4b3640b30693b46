import { type RefObject, useEffect, useRef, useState } from "react";
import { keepsFollowing, type Place } from "../../engine/follow";

const placeOf = (box: HTMLElement): Place => ({ top: box.scrollTop, height: box.scrollHeight, view: box.clientHeight });

/** Keeps the end in view while it is; scrolling up releases it until the end is reached or asked for. */
export function useFollow(container: RefObject<HTMLElement | null>, place: string) {
  const [following, setFollowing] = useState(true);
  const now = useRef(true);
  const set = (value: boolean) => {
    now.current = value;
    setFollowing(value);
  };
  const toEnd = () => {
    const box = container.current;
    if (box && now.current) box.scrollTop = box.scrollHeight;
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: another conversation starts at its end again
  useEffect(() => {
    const box = container.current;
    const content = box?.firstElementChild;
    if (!box || !content) return;
    set(true);
    let last = placeOf(box);
    const look = () => {
      const next = placeOf(box);
      set(keepsFollowing(now.current, last, next));
      last = next;
    };
    const grown = () => {
      // A scroll of the reader in this frame counts before the growth does.
      if (box.scrollTop < last.top) look();
      toEnd();
      last = placeOf(box);
    };
    const observer = new ResizeObserver(grown);
    observer.observe(content);
    observer.observe(box);
    toEnd();
    box.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", look);
    };
  }, [container, place]);
  const jump = () => {
    set(true);
    toEnd();
  };
  return { following, jump };
}
