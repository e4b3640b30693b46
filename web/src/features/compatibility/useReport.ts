import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo } from "react";
import { call } from "../../api/client";
import { readHardware } from "../../api/hardware";
import { SERVERLESS } from "../../engine/edition";
import { type Capabilities, probe } from "../../engine/local/capabilities";
import { measureMemory } from "../../engine/local/memory";
import { memoryBudget } from "../../engine/local/plan";
import { judge } from "../../engine/local/verdict";
import { type Device, useDevice } from "../../ui/device";
import { checksOf, summary } from "./checks";
import type { Report } from "./report";

/** A model that the server gives to browsers, as far as the verdict needs it. */
interface Offer {
  name: string;
  bytes: number;
  reason: string | null;
}

interface Look {
  capabilities: Capabilities;
  measured: number | undefined;
}

const LOOK = ["compatibility"];

async function look(): Promise<Look> {
  const capabilities = await probe();
  return { capabilities, measured: await measureMemory(capabilities) };
}

/** The models for browsers: the server's, or those beside a static build. */
async function listOffers(device: Device): Promise<Offer[]> {
  if (!SERVERLESS) return (await call<{ models: Offer[] }>("GET", "/api/device/models")).models;
  const models = await (await device.files()).list();
  return models.map(({ name, bytes, fits, reason = null }) => ({ name, bytes, reason: fits ? null : reason }));
}

/** What this browser and the server can do; `again` looks at the browser anew. */
export function useReport(): { report: Report | null; again: () => void; serverAway: boolean } {
  const queries = useQueryClient();
  const device = useDevice();
  const { data: seen } = useQuery({ queryKey: LOOK, queryFn: look });
  const { data: hardware, isError } = useQuery({ queryKey: ["hardware"], queryFn: readHardware, staleTime: 60_000 });
  const { data: offers } = useQuery({ queryKey: ["device-offers"], queryFn: () => listOffers(device) });
  const again = useCallback(() => void queries.invalidateQueries({ queryKey: LOOK }), [queries]);
  const report = useMemo<Report | null>(() => {
    if (!seen) return null;
    const { capabilities, measured } = seen;
    const budget = Math.min(memoryBudget(capabilities), measured ?? Number.POSITIVE_INFINITY);
    return {
      at: new Date().toISOString(),
      userAgent: navigator.userAgent,
      summary: summary(capabilities),
      capabilities,
      checks: checksOf(capabilities, budget, measured),
      models: (offers ?? []).map((offer) => ({
        name: offer.name,
        bytes: offer.bytes,
        ...judge(offer, capabilities, budget),
      })),
      server: hardware ?? null,
    };
  }, [seen, offers, hardware]);
  return { report, again, serverAway: isError };
}
