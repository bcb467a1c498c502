import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'

import {
  appUrl,
  card,
  expectText,
  newMember,
  newSnack,
  react,
  request,
  toast,
  useBrowser,
  type Person,
  type Snack,
} from './harness'

const { open } = useBrowser()

const like = (page: Page, snack: Snack) => card(page, snack).getByRole('button', { name: '좋아요' })
const hate = (page: Page, snack: Snack) => card(page, snack).getByRole('button', { name: '싫어요' })
const at = (snack: Snack) => `/snacks?search=${encodeURIComponent(snack.name)}`

/** Opens the snack list with `snack` alone. */
async function openSnack(person: Person, snack: Snack): Promise<Page> {
  const page = await open(person)
  await page.goto(appUrl(at(snack)))
  await card(page, snack).waitFor()
  return page
}

async function pressed(button: { getAttribute(name: string): Promise<string | null> }, is: boolean): Promise<void> {
  await expect.poll(() => button.getAttribute('aria-pressed')).toBe(String(is))
}

describe('a reaction', () => {
  it('is shown at once, corrected by the response and removed by a button', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    await page.route('**/reaction', async (route) => {
      await held
      await route.continue()
    })
    await like(page, snack).click()
    await pressed(like(page, snack), true)
    await expectText(like(page, snack), '1')
    // Another user reacts meanwhile.
    await react(await newMember(), snack, 'like')
    release()
    await expectText(like(page, snack), '2')

    // A second like is rejected with the server's message.
    await like(page, snack).click()
    const message = toast(page, '중복해서 reaction 을 남길 수 없습니다.')
    await message.waitFor()
    await pressed(like(page, snack), true)
    await expectText(like(page, snack), '2')
    await message.getByRole('button', { name: '좋아요 취소' }).click()
    await toast(page, '좋아요를 취소했습니다.').waitFor()
    await message.waitFor({ state: 'detached' })
    await pressed(like(page, snack), false)
    await expectText(like(page, snack), '1')
    await expect
      .poll(
        async () =>
          (await request<Snack>('GET', `/snacks/${snack.uid}`, (await newMember()).token)).like_reaction_count,
      )
      .toBe(1)
  })

  it('changes to the other one, and the last of many quick clicks counts', async () => {
    const snack = await newSnack()
    const member = await newMember()
    const page = await openSnack(member, snack)
    await like(page, snack).click()
    await hate(page, snack).click()
    await pressed(hate(page, snack), true)
    await pressed(like(page, snack), false)
    await expectText(hate(page, snack), '1')
    await expectText(like(page, snack), '0')

    for (let press = 0; press < 5; press += 1) await like(page, snack).click()
    await pressed(like(page, snack), true)
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction, {
        timeout: 10_000,
      })
      .toBe('like')
    await pressed(like(page, snack), true)
    await expectText(like(page, snack), '1')
    await expectText(hate(page, snack), '0')
  })

  it('is undone without a response', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    await page.route('**/reaction', (route) => route.abort())
    await page.route(`**/snacks/${snack.uid}`, (route) => route.abort())
    await like(page, snack).click()
    await toast(page, '서버에 연결할 수 없습니다').waitFor()
    await pressed(like(page, snack), false)
    await expectText(like(page, snack), '0')
  })

  it('in two browsers of one user ends in the same state', async () => {
    const snack = await newSnack()
    const member = await newMember()
    const [here, there] = [await openSnack(member, snack), await openSnack(member, snack)]
    await like(here, snack).click()
    await pressed(like(here, snack), true)
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction)
      .toBe('like')

    await like(there, snack).click()
    await toast(there, '중복해서 reaction 을 남길 수 없습니다.').waitFor()
    await pressed(like(there, snack), true)
    await expectText(like(there, snack), '1')

    await like(here, snack).click()
    await toast(here, '중복해서').getByRole('button', { name: '좋아요 취소' }).click()
    await pressed(like(here, snack), false)
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction)
      .toBeNull()
    await toast(there, '중복해서').getByRole('button', { name: '좋아요 취소' }).click()
    await toast(there, '취소할 reaction 이 없습니다.').waitFor()
    await pressed(like(there, snack), false)
    await expectText(like(there, snack), '0')
  })

  it('of hate can be removed by keyboard, with a message in English', async () => {
    const snack = await newSnack()
    const page = await openSnack(await newMember(), snack)
    await page.getByRole('button', { name: 'English' }).click()
    const button = card(page, snack).getByRole('button', { name: 'Hate' })
    await button.click()
    await pressed(button, true)
    await button.press('Enter')
    await toast(page, 'You have left this reaction already.').waitFor()
    // F8 focuses the messages.
    await page.keyboard.press('F8')
    const remove = page.getByRole('button', { name: 'Remove my hate' })
    for (let press = 0; press < 3; press += 1) {
      if (await remove.evaluate((element) => element === document.activeElement)) break
      await page.keyboard.press('Tab')
    }
    await page.keyboard.press('Enter')
    await toast(page, 'Your hate has been removed.').waitFor()
    await pressed(button, false)
  })

  it('is not removed by the button of an old message', async () => {
    const snack = await newSnack()
    const member = await newMember()
    const page = await openSnack(member, snack)
    await like(page, snack).click()
    await like(page, snack).click()
    await toast(page, '중복해서').waitFor()
    await hate(page, snack).click()
    // Before the message would disappear by itself.
    await toast(page, '중복해서').waitFor({ state: 'detached', timeout: 4000 })
    await expect
      .poll(async () => (await request<Snack>('GET', `/snacks/${snack.uid}`, member.token)).my_reaction)
      .toBe('hate')
  })

  it('of two users at once counts twice', async () => {
    const snack = await newSnack()
    const [one, other] = [await openSnack(await newMember(), snack), await openSnack(await newMember(), snack)]
    await Promise.all([like(one, snack).click(), like(other, snack).click()])
    await Promise.all([pressed(like(one, snack), true), pressed(like(other, snack), true)])
    for (const page of [one, other]) {
      await page.goto(appUrl(`/snacks/${snack.uid}`))
      await expectText(page.getByRole('button', { name: '좋아요' }), '2')
    }
  })
})
