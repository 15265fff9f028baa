// Serves the pictures of a folder by ipx, as its documentation does it: node ipx.mjs FOLDER PORT, in the folder where ipx is installed.
import { createRequire } from "node:module";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(join(process.cwd(), "package.json"));
const { createIPX, createIPXNodeServer, ipxFSStorage } = await import(pathToFileURL(require.resolve("ipx")));
const [folder, port] = process.argv.slice(2);
createServer(createIPXNodeServer(createIPX({ storage: ipxFSStorage({ dir: folder }) }))).listen(Number(port), "127.0.0.1");
