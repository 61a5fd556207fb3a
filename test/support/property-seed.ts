import fc from "fast-check";

/**
 * Property tests take the same cases on every run, so that a red main is the fault of a change. `FC_SEED=random npm test`
 * (or a number) goes looking for new ones; what it finds is printed with its seed and becomes a test of its own.
 */
const wanted = process.env.FC_SEED ?? "20261122";
if (wanted !== "random") fc.configureGlobal({ seed: Number(wanted) });
