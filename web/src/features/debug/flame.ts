import type { FlameNode } from "../../api/debug";

export type Weight = "cpuMs" | "wallMs";

/** A function's box: its place from 0 to 1, and how deep it lies. */
export interface Box {
  id: string;
  node: FlameNode;
  depth: number;
  from: number;
  width: number;
  parent: string | null;
}

const LEAST = 0.003;
const MOST = 1_500;

/** The boxes below `root`, the widest functions first; what is too narrow to see is left out. */
export function boxes(root: FlameNode, weight: Weight): Box[] {
  const whole = root[weight];
  if (whole <= 0) return [];
  const found: Box[] = [];
  const add = (node: FlameNode, depth: number, from: number, parent: string | null, place: string) => {
    const width = node[weight] / whole;
    if (width < LEAST || found.length >= MOST) return;
    found.push({ id: place, node, depth, from, width, parent });
    let left = from;
    const below = [...node.children].sort((one, other) => other[weight] - one[weight]);
    for (const [index, child] of below.entries()) {
      add(child, depth + 1, left, place, `${place}.${index}`);
      left += child[weight] / whole;
    }
  };
  add(root, 0, 0, null, "0");
  return found;
}

/** The box that an arrow key leads to. */
export function next(all: readonly Box[], at: string, key: string): Box | undefined {
  const here = all.find((box) => box.id === at);
  if (!here) return all[0];
  const beside = all.filter((box) => box.parent === here.parent && box.depth === here.depth);
  const place = beside.indexOf(here);
  switch (key) {
    case "ArrowUp":
      return all.find((box) => box.id === here.parent);
    case "ArrowDown":
      return all.find((box) => box.parent === here.id);
    case "ArrowLeft":
      return beside[place - 1];
    case "ArrowRight":
      return beside[place + 1];
    case "Home":
      return all[0];
    default:
      return undefined;
  }
}
