import { readFileSync } from "node:fs";
import type { OtlpHttpConfig } from "./config.ts";

/** The content of the `tls:` files, as `node:tls` takes it. */
export interface TlsFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Reads them; throws an error that names the key and the file, for start-up. */
export function readTlsFiles(tls: OtlpHttpConfig["tls"]): TlsFiles {
  return { ...read("ca", tls.ca_file), ...read("cert", tls.cert_file), ...read("key", tls.key_file) };
}

function read(name: keyof TlsFiles, file: string | undefined): TlsFiles {
  if (file === undefined) return {};
  try {
    return { [name]: readFileSync(file, "utf8") };
  } catch (error) {
    throw new Error(`tls.${name}_file cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}
