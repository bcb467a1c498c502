// The web app can be installed.
import { describe, expect, it } from 'vitest'

import { BASE_URL, appUrl, newMember, useBrowser } from './harness'

const { newContext, open } = useBrowser()

interface Manifest {
  name: string
  short_name: string
  start_url: string
  scope: string
  display: string
  theme_color: string
  background_color: string
  icons: { src: string; sizes: string; type: string; purpose?: string }[]
}

describe('the web app manifest', () => {
  it('is linked, has its type and may be cached', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-in'))
    const link = await page.locator('link[rel=manifest]').evaluate((element: HTMLLinkElement) => element.href)
    const response = await fetch(link)
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('application/manifest+json')
    expect(response.headers.get('cache-control')).toBe('no-cache')
    const manifest = (await response.json()) as Manifest
    expect(manifest).toMatchObject({ name: '간식 주문', short_name: '간식 주문', display: 'standalone' })
    expect(manifest.theme_color).toMatch(/^#[0-9a-f]{6}$/)
    expect(manifest.background_color).toMatch(/^#[0-9a-f]{6}$/)
    // Relative addresses also work behind a proxy that serves the app below a path.
    expect(new URL(manifest.start_url, link).href).toBe(`${BASE_URL}/app/`)
    expect(new URL(manifest.scope, link).href).toBe(`${BASE_URL}/app/`)
    expect([manifest.start_url, manifest.scope, ...manifest.icons.map(({ src }) => src)]).not.toContainEqual(
      expect.stringMatching(/^(\/|https?:)/),
    )
  })

  it('has icons of the sizes that it states', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-in'))
    const link = await page.locator('link[rel=manifest]').evaluate((element: HTMLLinkElement) => element.href)
    const { icons } = (await (await fetch(link)).json()) as Manifest
    expect(icons.map(({ sizes, purpose = 'any' }) => `${sizes} ${purpose}`)).toEqual([
      '192x192 any',
      '512x512 any',
      '512x512 maskable',
    ])
    const touchIcon = await page.locator('link[rel=apple-touch-icon]').evaluate(({ href }: HTMLLinkElement) => href)
    const all = [
      ...icons.map(({ src, sizes }) => ({ url: new URL(src, link).href, sizes })),
      { url: touchIcon, sizes: '180x180' },
    ]
    for (const { url, sizes } of all) {
      const size = await page.evaluate(async (src) => {
        const image = new Image()
        image.src = src
        await image.decode()
        return `${image.naturalWidth}x${image.naturalHeight}`
      }, url)
      expect([url, size]).toEqual([url, sizes])
    }
  })

  it('has no errors that keep Chromium from installing the app', async () => {
    const page = await open(await newMember())
    const browser = await page.context().newCDPSession(page)
    const { url, errors, data } = await browser.send('Page.getAppManifest')
    expect(url).toBe(appUrl('/manifest.webmanifest'))
    expect(errors).toEqual([])
    expect(JSON.parse(data!)).toMatchObject({ name: '간식 주문' })
    const { installabilityErrors } = await browser.send('Page.getInstallabilityErrors')
    // The contexts of the tests are incognito ones.
    const real = installabilityErrors.filter(({ errorId }) => errorId !== 'in-incognito')
    expect(real).toEqual([])
  })

  it('has colours for light and dark', async () => {
    const page = await (await newContext()).newPage()
    await page.goto(appUrl('/sign-in'))
    const colors = await page
      .locator('meta[name=theme-color]')
      .evaluateAll((metas) => metas.map((meta) => [(meta as HTMLMetaElement).media, (meta as HTMLMetaElement).content]))
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
    const rgb = (hex: string) =>
      `rgb(${hex
        .match(/[0-9a-f]{2}/g)!
        .map((part) => parseInt(part, 16))
        .join(', ')})`
    expect(colors.length).toBe(2)
    for (const scheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme: scheme })
      const [, color] = colors.find(([media]) => media === `(prefers-color-scheme: ${scheme})`)!
      await expect.poll(background).toBe(rgb(color!))
    }
  })
})
