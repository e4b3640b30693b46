/** Asks for memory step by step and tells how many bytes it got. */
const PAGE = 65_536;
const STEP = 256 * 16;
/** WebAssembly's 32-bit memories end here. */
const MOST = 65_536;

function grown(): number {
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: 0, maximum: MOST });
  } catch {
    return 0;
  }
  let pages = 0;
  for (let step = STEP; step >= 1; ) {
    const wanted = Math.min(step, MOST - pages);
    if (wanted === 0) break;
    try {
      memory.grow(wanted);
      pages += wanted;
    } catch {
      step = Math.floor(step / 4);
    }
  }
  return pages * PAGE;
}

postMessage(grown());
