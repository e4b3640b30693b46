import { useHotkeys, useLocalStorage } from "@mantine/hooks";
import { lazy, Suspense } from "react";
import type { MessageTimes } from "../../engine/times";
import type { TurnStreams } from "../../engine/turns";
import { GaugeIcon } from "../../ui/icons";
import { MOD } from "../../ui/keys";

const Figures = lazy(async () => ({ default: (await import("./OverlayFigures")).OverlayFigures }));

interface Props {
  times: MessageTimes;
  streams: TurnStreams;
}

/** Shows or hides the figures of a chat; what shows them is loaded with the first time. */
export function Overlay(props: Props) {
  const [shown, setShown] = useLocalStorage({
    key: "corral.overlay",
    defaultValue: false,
    getInitialValueInEffect: false,
  });
  const turn = () => setShown(!shown);
  useHotkeys([["mod+shift+L", turn]], []);
  return (
    <>
      <button
        type="button"
        className="quiet"
        aria-label="Figures of this chat"
        aria-pressed={shown}
        title={`Figures of this chat (${MOD} Shift L)`}
        onClick={turn}
      >
        <GaugeIcon />
      </button>
      {shown && (
        <Suspense fallback={null}>
          <Figures {...props} />
        </Suspense>
      )}
    </>
  );
}
