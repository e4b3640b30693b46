import { type RefObject, useEffect, useState } from "react";

const NEAR = 48;

/** Keeps the end in view while it is; scrolling up releases it until the end is reached or asked for. */
export function useFollow(container: RefObject<HTMLElement | null>, place: string) {
  const [following, setFollowing] = useState(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another conversation starts at its end again
  useEffect(() => setFollowing(true), [place]);
  useEffect(() => {
    const box = container.current;
    const content = box?.firstElementChild;
    if (!box || !content) return;
    let last = box.scrollTop;
    const onScroll = () => {
      const distance = box.scrollHeight - box.scrollTop - box.clientHeight;
      if (distance <= NEAR) setFollowing(true);
      else if (box.scrollTop < last) setFollowing(false);
      last = box.scrollTop;
    };
    const toEnd = () => {
      if (following) box.scrollTop = box.scrollHeight;
    };
    const observer = new ResizeObserver(toEnd);
    observer.observe(content);
    observer.observe(box);
    toEnd();
    box.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      observer.disconnect();
      box.removeEventListener("scroll", onScroll);
    };
  }, [container, following]);
  return { following, jump: () => setFollowing(true) };
}
