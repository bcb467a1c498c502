// Fails when what a browser loads first has grown beyond its budget: the entry and what it imports at once, as gzip, which
// every browser understands. Also prints what each page adds.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

/** In bytes. The promise is 200 kB; whoever comes near to it should know before. */
const BUDGET = 140_000

const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'))
const size = (file) => gzipSync(readFileSync(`dist/${file}`), { level: 9 }).length
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`

/** A chunk and all that it imports statically. */
function closure(name, into = new Set()) {
  if (!into.has(name)) {
    into.add(name)
    for (const imported of manifest[name].imports ?? []) closure(imported, into)
  }
  return into
}
const weigh = (names) => [...names].reduce((sum, name) => sum + size(manifest[name].file), 0)

const entry = Object.keys(manifest).find((name) => manifest[name].isEntry)
const first = closure(entry)
const total = weigh(first)
for (const [name, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry) continue
  const added = [...closure(name)].filter((chunk) => !first.has(chunk))
  console.log(`${kilobytes(weigh(added)).padStart(9)}  ${name}`)
}
console.log(`${kilobytes(total).padStart(9)}  first load, of ${kilobytes(BUDGET)}`)
if (total > BUDGET) {
  console.error('budget: the first load is too large')
  process.exit(1)
}
