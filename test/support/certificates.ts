import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Certificates for tests, made by openssl: an authority, and what it signs. All paths lie in `folder`. */
export interface Authority {
  /** PEM file of the authority's certificate. */
  readonly caFile: string;
  readonly pem: string;
  issue(
    name: string,
    options?: { readonly host?: string },
  ): { readonly certFile: string; readonly keyFile: string; readonly cert: string; readonly key: string };
}

export function createAuthority(folder: string): Authority {
  mkdirSync(folder, { recursive: true });
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority");
  return {
    caFile: join(folder, "ca.pem"),
    pem: readFileSync(join(folder, "ca.pem"), "utf8"),
    issue(name, { host = "IP:127.0.0.1" } = {}) {
      openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
      writeFileSync(join(folder, `${name}.ext`), `subjectAltName=${host}\n`);
      const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", `${name}.ext`];
      openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, ...signing);
      const [certFile, keyFile] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
      return { certFile, keyFile, cert: readFileSync(certFile, "utf8"), key: readFileSync(keyFile, "utf8") };
    },
  };
}
