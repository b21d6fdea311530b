// Features of the HTML on standard input that mail clients do not support, as JSON: feature -> clients.
// Run by tests/render/test_real_editions.py; the arguments are patterns of client names.
import { readFileSync } from "node:fs";
import { caniemail } from "caniemail";

const { issues } = caniemail({ clients: process.argv.slice(2), html: readFileSync(0, "utf8") });
const unknown = {};
for (const [client, found] of issues.errors) {
  for (const { title } of found) (unknown[title] ??= new Set()).add(client);
}
const plain = Object.entries(unknown).map(([title, clients]) => [title, [...clients].sort()]);
console.log(JSON.stringify(Object.fromEntries(plain)));
