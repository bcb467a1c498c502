module.exports = {
  snack: {
    input: 'generated/openapi.json',
    output: {
      target: 'generated/orval.ts',
      client: 'fetch',
      // The generated functions would parse every answer as JSON; pictures and CSV are none.
      override: { mutator: { path: 'orval_fetch.ts', name: 'orvalFetch' } },
    },
  },
}
