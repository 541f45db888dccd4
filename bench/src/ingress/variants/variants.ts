/** What is compared, in the order in which each round measures it. */
export const variantNames = ['http', 'fastify', 'obvious', 'ours'] as const
export type VariantName = (typeof variantNames)[number]

type Variant = {
  title: string
  main: string
  /** The message of the log line that names its port. */
  readyEvent: string
  /** Answers are the envelope, signed; the bare servers answer a constant. */
  isIngress: boolean
}

export const variants: Record<VariantName, Variant> = {
  http: {
    title: '(a) bare node:http',
    main: 'bench/src/ingress/variants/bare-http.ts',
    readyEvent: 'bench.listening',
    isIngress: false,
  },
  fastify: {
    title: '(b) bare Fastify',
    main: 'bench/src/ingress/variants/bare-fastify.ts',
    readyEvent: 'bench.listening',
    isIngress: false,
  },
  obvious: {
    title: '(c) obvious',
    main: 'bench/src/ingress/variants/obvious.ts',
    readyEvent: 'bench.listening',
    isIngress: true,
  },
  ours: {
    title: '(d) Signalbox',
    main: 'services/ingress/src/main.ts',
    readyEvent: 'ingress.listening',
    isIngress: true,
  },
}
