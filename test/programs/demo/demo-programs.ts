import { agent } from "./agent.ts";
import type { DemoProgram } from "./demo-program.ts";
import { office } from "./office.ts";
import { shop } from "./shop.ts";

/** The demo's programs, in the order of their appearance. */
export const demoPrograms: readonly DemoProgram[] = [
  office.campaign,
  office.reminder,
  shop.catalogue,
  office.onboarding,
  shop.order,
  shop.gallery,
  office.expense,
  agent,
  shop.payment,
  shop.paymentLink,
  office.signUp,
  office.nightlyReport,
];
