import { describe, expect, it } from 'vitest'

import { BASE_URL, appUrl, card, expectText, newMember, newSnack, settled, useBrowser } from './harness'

const { open } = useBrowser()

describe('with the keyboard', () => {
  it('the skip link leads to the content, and each new page focuses its heading', async () => {
    const page = await open(await newMember(), '/orders')
    await page.reload()
    await settled(page)
    await page.keyboard.press('Tab')
    const skip = page.getByRole('link', { name: '본문으로 건너뛰기' })
    expect(await skip.evaluate((link) => link === document.activeElement)).toBe(true)
    await page.keyboard.press('Enter')
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('MAIN')

    await page.getByRole('link', { name: '통계' }).press('Enter')
    await page.getByRole('heading', { name: '통계', level: 1 }).waitFor()
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent?.trim())).toBe('통계')
    expect(await page.title()).toBe('통계 · 간식 주문')
  })

  it('dialogs keep the focus and return it', async () => {
    const page = await open(await newMember(), '/snacks')
    const opener = page.getByRole('button', { name: '간식 등록' }).first()
    await opener.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    for (let press = 0; press < 12; press += 1) {
      await page.keyboard.press('Tab')
      expect(await dialog.evaluate((element) => element.contains(document.activeElement))).toBe(true)
    }
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await expect.poll(() => opener.evaluate((button) => button === document.activeElement)).toBe(true)
  })

  it('a snack can be liked and ordered', async () => {
    const snack = await newSnack()
    const page = await open(await newMember(), '/snacks')
    await page.getByLabel('검색').fill(snack.name)
    const shown = card(page, snack)
    await shown.getByRole('button', { name: '좋아요' }).press('Enter')
    await expect.poll(() => shown.getByRole('button', { name: '좋아요' }).getAttribute('aria-pressed')).toBe('true')
    await shown.getByRole('button', { name: `${snack.name} 담기` }).press('Enter')
    const quantity = shown.getByRole('spinbutton')
    await expect.poll(() => quantity.evaluate((input) => input === document.activeElement)).toBe(true)
    await page.keyboard.press('ArrowUp')
    await page.getByRole('region', { name: '주문할 간식' }).getByRole('button', { name: '주문하기' }).press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: '주문하기' }).press('Enter')
    await page.waitForURL(/\/orders\/[0-9a-f-]{36}$/)
    await expectText(page.locator('.purchases'), /× 2개/)
  })
})

describe('the theme', () => {
  it('follows the device until one is chosen, and stays chosen', async () => {
    const page = await open(await newMember(), '/orders', { colorScheme: 'dark' })
    const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
    const dark = await background()
    await page.emulateMedia({ colorScheme: 'light' })
    await expect.poll(background).not.toBe(dark)
    await page.getByRole('button', { name: '화면 테마' }).click()
    await page.getByRole('button', { name: '화면 테마: 밝게' }).click()
    await page.getByRole('button', { name: '화면 테마: 어둡게' }).waitFor()
    await expect.poll(background).toBe(dark)
    await page.reload()
    await settled(page)
    expect(await background()).toBe(dark)
  })
})

describe('the Content-Security-Policy', () => {
  it('is strict', async () => {
    const response = await fetch(appUrl('/'))
    const policy = response.headers.get('Content-Security-Policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self'")
    expect(policy).not.toMatch(/unsafe|\*/)
    // The root redirects to the app.
    expect((await fetch(`${BASE_URL}/`)).url).toBe(appUrl('/'))
  })
})
