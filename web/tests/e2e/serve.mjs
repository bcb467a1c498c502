// Serves web/dist below /app/ as the server will, and passes everything else on to it: node serve.mjs PORT http://127.0.0.1:8000
// Only for a server that does not serve the app by itself; scripts/test-web starts it where it is needed.
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const [port, server] = process.argv.slice(2)
const root = fileURLToPath(new URL('../../dist', import.meta.url))
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
}
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

createServer((incoming, outgoing) => {
  const path = decodeURIComponent(new URL(incoming.url, 'http://localhost').pathname)
  if (path === '/') outgoing.writeHead(303, { Location: '/app/' }).end()
  else if (path === '/app' || path.startsWith('/app/')) send(path.slice('/app'.length), incoming, outgoing)
  else passOn(incoming, outgoing)
}).listen(Number(port), '127.0.0.1')

function send(path, incoming, outgoing) {
  const asked = join(root, normalize(path))
  const isFile = asked.startsWith(root) && existsSync(asked) && statSync(asked).isFile()
  const file = isFile ? asked : join(root, 'index.html')
  const encoding = ['br', 'gzip'].find((name) => incoming.headers['accept-encoding']?.includes(name))
  const compressed = encoding && `${file}.${encoding === 'br' ? 'br' : 'gz'}`
  const isCompressed = compressed && existsSync(compressed)
  outgoing.writeHead(200, {
    'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
    'Cache-Control': isFile && path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    Vary: 'Accept-Encoding',
    ...(isCompressed ? { 'Content-Encoding': encoding } : {}),
  })
  createReadStream(isCompressed ? compressed : file).pipe(outgoing)
}

function passOn(incoming, outgoing) {
  const { method, headers, url } = incoming
  const onward = request(server + url, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.headers)
    answer.pipe(outgoing)
  })
  onward.on('error', () => outgoing.writeHead(502).end())
  incoming.pipe(onward)
}
