// Fails if the first load of a page exceeds its budget: the first script, the main one, what signed-in users need and the page's own, with
// their static imports, compressed with Brotli, which every browser supports over TLS. Also prints the size that each page adds.
import { readFileSync } from 'node:fs'
import { brotliCompressSync } from 'node:zlib'

const MAIN = ['index', 'main']
const SIGNED_IN = [...MAIN, 'signedIn']
/** In bytes. */
const BUDGETS = [
  { page: 'SignInPage', before: MAIN, budget: 72_000 },
  { page: 'snacks', before: SIGNED_IN, budget: 116_000 },
  { page: 'orders', before: SIGNED_IN, budget: 110_000 },
]

const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'))
const size = (file) => brotliCompressSync(readFileSync(`dist/${file}`)).length
const kilobytes = (bytes) => `${(bytes / 1000).toFixed(1)} kB`

/** The keys of chunks, given their names, and of their static imports. */
function closure(names) {
  const all = new Set(names.map((name) => Object.keys(manifest).find((key) => manifest[key].name === name)))
  // The loop also visits what is added.
  for (const name of all) manifest[name].imports?.forEach((imported) => all.add(imported))
  return all
}
const weigh = (names) => [...names].reduce((sum, name) => sum + size(manifest[name].file), 0)

const loaded = closure(SIGNED_IN)
for (const [name, chunk] of Object.entries(manifest)) {
  if (!chunk.isDynamicEntry) continue
  const added = [...closure([chunk.name])].filter((chunk) => !loaded.has(chunk))
  console.log(`${kilobytes(weigh(added)).padStart(9)}  ${name}`)
}
for (const { page, before, budget } of BUDGETS) {
  const total = weigh(closure([...before, page]))
  console.log(`${kilobytes(total).padStart(9)}  first load of ${page}, of ${kilobytes(budget)}`)
  if (total > budget) {
    console.error(`budget: the first load of ${page} is too large`)
    process.exitCode = 1
  }
}
