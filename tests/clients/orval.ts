/** The client that orval generates, at work. */

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { getPicture, listSnacks, registerSnack, showMetrics, signIn, signUp } from './generated/orval'
import { session } from './orval_fetch'
import { isPicture } from './picture'

async function main(): Promise<void> {
  const email = `${randomUUID()}@snack.example`
  const password = 'korea-snack-9'

  const signedUp = await signUp({ email, password, name: '김간식' })
  assert.ok(signedUp.status === 201 && signedUp.data.email === email)
  const refused = await signIn({ username: email, password: 'another-snack-9' })
  assert.ok(refused.status === 401 && refused.data.code === 'invalid_credentials')
  const signedIn = await signIn({ username: email, password })
  assert.ok(signedIn.status === 200)
  session.access = signedIn.data.access

  const page = await listSnacks({ limit: 5, ordering: '-created_at' })
  // The list may also be CSV.
  assert.ok(page.status === 200 && typeof page.data === 'object')
  assert.ok(page.data.results.length === 5 && page.data.next_cursor)

  const registered = await registerSnack({ name: `clients ${randomUUID()}`, price: '1500', desc: '고소한맛' })
  assert.ok(registered.status === 201 && registered.data.desc === '고소한맛')

  const pictured = page.data.results.find((snack) => snack.image)
  assert.ok(pictured?.image)
  const picture = await getPicture(pictured.image.replace('/media/', ''))
  assert.ok(picture.status === 200)
  const bytes: Blob = picture.data
  assert.ok(isPicture(new Uint8Array(await bytes.arrayBuffer())))

  const metrics = await showMetrics()
  assert.ok(metrics.status === 200)
  const text: string = metrics.data
  assert.match(text, /^http_requests_total\{/m)
  console.log('orval: signed in, listed, registered, read a picture and the metrics')
}

main().catch((error: unknown) => {
  console.error(error)
  process.exitCode = 1
})
