export * from '@signalbox/testkit/service-process'
