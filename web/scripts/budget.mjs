// Fails if the first load exceeds its budget: the entry and its static imports, compressed with gzip, which every browser
// supports. Also prints the size that each page adds.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

/** In bytes. The limit is 200 kB, and the budget warns before. */
const BUDGET = 140_000

const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'))
const size = (file) => gzipSync(readFileSync(`dist/${file}`), { level: 9 }).length
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`

/** A chunk and its static imports. */
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
