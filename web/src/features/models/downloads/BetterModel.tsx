import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Metrics } from "../../../api/metrics";
import { bytes } from "../../../ui/format";
import { useAsked } from "../../../ui/live";
import { Themed } from "../../../ui/Themed";
import "./offer.css";
import { suggestion } from "./suggestions";

/** What this machine has, and the one model to get for it. */
export function BetterModel() {
  const { data } = useAsked<Metrics>("metrics:latest");
  const memory = data?.host.memory?.total ?? null;
  const gpus = data?.host.gpu ?? [];
  const video = gpus.reduce((sum, gpu) => sum + (gpu.memory?.total ?? 0), 0);
  const one = suggestion(Math.max(memory ?? 0, video));
  if (!one) return null;
  const has = [
    memory ? `${bytes(memory)} of memory` : null,
    gpus.length > 0 ? `${gpus.map((gpu) => gpu.name).join(", ")} with ${bytes(video)}` : "no NVIDIA GPU",
  ];
  return (
    <section className="offer" aria-label="A better model">
      <div>
        <h2>Get a better model</h2>
        <p>
          Cria, the included model, is a tiny demo.{" "}
          {memory ? `This machine has ${has.filter(Boolean).join(" and ")}. ` : ""}
          <strong>{one.label}</strong> suits it: {one.says}.
        </p>
      </div>
      <Themed>
        <Button renderRoot={(props) => <Link {...props} to="/downloads" search={{ repo: one.repo }} />}>
          Look at {one.label}
        </Button>
      </Themed>
    </section>
  );
}
