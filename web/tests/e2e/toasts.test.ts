import { describe, expect, it } from 'vitest'

import { PHONE, card, newAdmin, newMember, newSnack, toast, unique, useBrowser } from './harness'

const { open } = useBrowser()

describe('a message', () => {
  it('is announced to screen readers and can be closed', async () => {
    const page = await open(await newMember(), '/profile')
    await page.getByLabel('이름').fill('누군가')
    await page.getByRole('button', { name: '저장' }).click()
    const shown = toast(page, '이름을 변경했습니다')
    await shown.waitFor()
    const live = page.locator('[role=status], [role=alert], [aria-live]').filter({ hasText: '이름을 변경했습니다' })
    await expect.poll(() => live.count()).toBeGreaterThan(0)
    await shown.getByRole('button', { name: '닫기' }).click()
    await shown.waitFor({ state: 'detached' })
  })

  it('takes the place of the former one and is not covered by the cart', async () => {
    const mark = unique()
    const snacks = await Promise.all([1, 2, 3].map((number) => newSnack({ name: `${mark} 과자 ${number}` })))
    const page = await open(await newAdmin(), `/snacks?search=${mark}&status=all`, PHONE)
    await card(page, snacks[0]!).getByRole('button', { name: '담기' }).tap()
    const bar = page.getByRole('region', { name: '주문할 간식' })
    await bar.waitFor()
    await page.clock.install()
    for (const snack of snacks) {
      // By key, because the message may cover the switch.
      await card(page, snack).getByRole('switch').press('Space')
      await toast(page, `“${snack.name}” 간식을 주문 불가로 변경했습니다.`).waitFor()
      expect(await page.locator('.toast').count()).toBe(1)
    }
    const { y: cart } = (await bar.boundingBox())!
    const lowest = async () => {
      const { y, height } = (await page.locator('.toast').boundingBox())!
      return y + height
    }
    // After its animation.
    await expect.poll(lowest).toBeLessThanOrEqual(cart)
    // A touched message disappears, too.
    await page.locator('.toast-text').tap()
    await page.clock.runFor(15_000)
    await expect.poll(() => page.locator('.toast').count()).toBe(0)
  })

  it('disappears by itself, but not while it is hovered or focused', async () => {
    const page = await open(await newMember(), '/profile')
    await page.clock.install()
    const save = page.getByRole('button', { name: '저장' })
    const shown = toast(page, '이름을 변경했습니다')
    await save.click()
    await page.clock.runFor(8000)
    await shown.waitFor({ state: 'detached' })

    await save.press('Enter')
    await shown.hover()
    await page.clock.runFor(30_000)
    expect(await shown.count()).toBe(1)
    await page.mouse.move(5, 300)
    await page.keyboard.press('F8')
    await page.clock.runFor(30_000)
    expect(await shown.count()).toBe(1)
    await page.getByLabel('이름').focus()
    await page.clock.runFor(8000)
    await shown.waitFor({ state: 'detached' })

    // A hovered message that is removed with its page does not keep the next one.
    await save.press('Enter')
    await shown.hover()
    await page.getByRole('link', { name: '주문', exact: true }).press('Enter')
    await shown.waitFor({ state: 'detached' })
    await page.mouse.move(5, 300)
    await page.goBack()
    await page.getByRole('heading', { name: '내 정보', level: 1 }).waitFor()
    await save.press('Enter')
    await shown.waitFor()
    await page.clock.runFor(8000)
    await shown.waitFor({ state: 'detached' })
  })

  it('does not cover the buttons of a dialog', async () => {
    const snack = await newSnack()
    const small = { viewport: { width: 700, height: 600 } }
    const page = await open(await newMember(), `/snacks?search=${snack.name.split(' ')[1]}`, small)
    const like = card(page, snack).getByRole('button', { name: '좋아요' })
    await like.click()
    await like.click()
    await toast(page, '중복해서').waitFor()
    await page.getByRole('button', { name: '간식 등록' }).first().press('Enter')
    const foot = page.getByRole('dialog').locator('.dialog-foot')
    await foot.waitFor()
    const { y: buttons } = (await foot.boundingBox())!
    const { y, height } = (await toast(page, '중복해서').boundingBox())!
    expect(y + height).toBeLessThanOrEqual(buttons)
  })
})
