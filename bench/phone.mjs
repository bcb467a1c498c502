// Measures the web app on a slow phone: a quarter of this machine's CPU, 1.6 Mbit/s, 150 ms latency, an empty cache.
//
//   scripts/build-web
//   SERVER=target/release/snack-server scripts/with-server -- node bench/phone.mjs [ROUNDS [NOTE]]
//
// Prints a table with medians, and of the times also the values of all rounds. NOTE follows the names of the pages. With TASKS=1 it prints the start and the length of all long tasks.
import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'

const { chromium } = createRequire(new URL('../web/package.json', import.meta.url))('playwright-core')

const BASE_URL = process.env.BASE_URL
const ROUNDS = Number(process.argv[2] ?? 5)
const NOTE = process.argv[3] ?? ''
/** A member of the demo data. */
const MEMBER = { email: 'member@snack.example', password: 'snack-demo-2024!' }

const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 3,
  isMobile: true,
  hasTouch: true,
  locale: 'ko-KR',
}
const CPU_SLOWDOWN = 4
/** In bytes a second, and in milliseconds. */
const NETWORK = { offline: false, latency: 150, downloadThroughput: 200_000, uploadThroughput: 200_000 }
/** Tasks of the main thread block it from this time on, in milliseconds. */
const LONG = 50
/** The page is measured until this time after its content, in milliseconds, because pictures and the stream of events come later. */
const AFTERWARDS = 3000

/** Runs in the page, before its scripts. */
function observe() {
  const seen = (window.seen = { content: null, pictures: null, tasks: [], shift: 0 })
  new PerformanceObserver((list) => {
    for (const { duration, startTime } of list.getEntries()) seen.tasks.push([startTime, duration])
  }).observe({ type: 'longtask', buffered: true })
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) seen.shift += entry.value
  }).observe({ type: 'layout-shift', buffered: true })
  const isInView = (element) => {
    const { top, bottom } = element.getBoundingClientRect()
    return top < innerHeight && bottom > 0
  }
  const look = () => {
    // The form of the sign-in page, or the cards of the snacks page.
    const content = document.querySelector('input[name=password], li.snack')
    if (content) {
      // Called before the frame is painted that shows the content.
      seen.content ??= performance.now()
      const pictures = [...document.querySelectorAll('main img')].filter(isInView)
      if (pictures.every((picture) => picture.complete && picture.naturalWidth > 0)) {
        seen.pictures ??= performance.now()
        return
      }
    }
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

/** Loads a page with an empty cache, as the user whose storage is given. */
async function load(browser, path, storageState) {
  const context = await browser.newContext({ ...PHONE, storageState })
  const page = await context.newPage()
  await page.addInitScript(observe)
  const session = await context.newCDPSession(page)
  await session.send('Network.enable')
  await session.send('Network.emulateNetworkConditions', NETWORK)
  // As over TLS. Without it Chromium does not ask for Brotli.
  await session.send('Network.setExtraHTTPHeaders', { headers: { 'Accept-Encoding': 'br, gzip' } })
  await session.send('Emulation.setCPUThrottlingRate', { rate: CPU_SLOWDOWN })

  await page.goto(`${BASE_URL}/app${path}`, { waitUntil: 'commit' })
  await page.waitForFunction(() => window.seen?.pictures, undefined, { timeout: 60_000, polling: 250 })
  await page.waitForTimeout(AFTERWARDS)
  const seen = await page.evaluate(() => window.seen)

  await session.send('Emulation.setCPUThrottlingRate', { rate: 1 })
  await session.send('Network.emulateNetworkConditions', { ...NETWORK, latency: 0, downloadThroughput: -1 })
  const bytes = await page.evaluate(transferred)
  await context.close()
  const durations = seen.tasks.map(([, duration]) => duration)
  return {
    ...seen,
    ...bytes,
    blocked: durations.reduce((sum, duration) => sum + duration - LONG, 0),
    longest: Math.max(0, ...durations),
    tasks: seen.tasks.map((times) => times.map(Math.round).join('+')).join(' '),
  }
}

/** Runs in the page. The bytes of scripts and pictures without their headers, also of the pictures further down. */
async function transferred() {
  const sum = (pattern) =>
    performance
      .getEntriesByType('resource')
      .filter(({ name }) => pattern.test(name))
      .reduce((total, { encodedBodySize }) => total + encodedBodySize, 0)
  const script = sum(/\/assets\/.*\.js$/)
  const pictures = [...document.querySelectorAll('main img')]
  for (const picture of pictures) picture.loading = 'eager'
  await Promise.all(pictures.map((picture) => picture.decode()))
  return { script, image: sum(/\/media\//) }
}

/** The storage of a browser in which the user has signed in. */
async function signedIn() {
  const body = JSON.stringify({ username: MEMBER.email, password: MEMBER.password })
  const headers = { 'Content-Type': 'application/json' }
  const tokens = await (await fetch(`${BASE_URL}/auth/token`, { method: 'POST', headers, body })).json()
  const authorization = { Authorization: `Bearer ${tokens.access}` }
  const user = await (await fetch(`${BASE_URL}/auth/users/profile`, { headers: authorization })).json()
  const stored = { ...tokens, renewAt: Date.now() + 240_000 }
  const localStorage = [
    { name: 'snack.session', value: JSON.stringify(stored) },
    { name: 'snack.user', value: JSON.stringify(user) },
  ]
  return { cookies: [], origins: [{ origin: BASE_URL, localStorage }] }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}

const executablePath =
  process.env.CHROMIUM ??
  execFileSync('sh', ['-c', 'command -v chromium || command -v google-chrome']).toString().trim()
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
const COLUMNS = ['script kB', 'pictures kB', 'content visible ms', 'pictures in view ms', 'main thread blocked ms']
console.log(`| page | ${COLUMNS.join(' | ')} | longest task ms | layout shift |`)
console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |')
for (const [name, path, state] of [
  [`sign-in${NOTE}`, '/sign-in', () => undefined],
  [`snacks${NOTE}`, '/snacks', signedIn],
]) {
  const rounds = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await load(browser, path, await state()))
  const list = (key) => rounds.map((it) => it[key])
  const kilobytes = (key) => (median(list(key)) / 1000).toFixed(1)
  const times = (key) => `${Math.round(median(list(key)))} (${list(key).map(Math.round).join(' ')})`
  const shift = median(list('shift')).toFixed(3)
  const cells = [kilobytes('script'), kilobytes('image'), ...['content', 'pictures', 'blocked', 'longest'].map(times), shift]
  console.log(`| ${[name, ...cells].join(' | ')} |`)
  if (process.env.TASKS)
    console.log(`tasks:\n${rounds.map((it) => it.tasks).join('\n')}`)
}
await browser.close()
