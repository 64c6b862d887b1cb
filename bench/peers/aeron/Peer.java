// SPDX-License-Identifier: Apache-2.0

/*
 * Aeron IPC, for the works latency and rate: the loops of ../latency.c and ../rate.c in Java, because a
 * Java client is what Aeron is mostly used by. Two processes; the first embeds the media driver, which
 * the data does not pass through. Where a message fits into one fragment it is claimed and written in
 * place, else it is offered and put together again.
 */

import io.aeron.Aeron;
import io.aeron.FragmentAssembler;
import io.aeron.Publication;
import io.aeron.Subscription;
import io.aeron.driver.MediaDriver;
import io.aeron.driver.ThreadingMode;
import io.aeron.logbuffer.BufferClaim;
import io.aeron.logbuffer.FragmentHandler;
import java.io.File;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.agrona.BufferUtil;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.UnsafeBuffer;

public final class Peer {
    private static final String CHANNEL = "aeron:ipc?term-length=64m|mtu=65504";
    private static final int THERE = 1001, BACK = 1002;
    private static final long STOP = -1;
    private static final long WARM_UP_NS = 1_000_000_000L; // the compiler needs it
    private static final int BATCH_TRIPS = 200;

    private final int payload;
    private final boolean all;
    private final long budgetNs;
    private final Publication out;
    private final Subscription in;
    private final UnsafeBuffer whole;
    private final BufferClaim claim = new BufferClaim();
    private final FragmentHandler handler;
    private long received;
    private boolean any;

    private Peer(Aeron aeron, int payload, boolean all, long budgetNs, int outStream, int inStream) {
        this.payload = payload;
        this.all = all;
        this.budgetNs = budgetNs;
        in = aeron.addSubscription(CHANNEL, inStream);
        out = aeron.addPublication(CHANNEL, outStream);
        whole = new UnsafeBuffer(BufferUtil.allocateDirectAligned(payload, 64));
        FragmentHandler read = (buffer, offset, length, header) -> {
            received = buffer.getLong(offset, ByteOrder.nativeOrder());
            any = true;
            if (all) {
                long sum = 0;
                for (int i = 0; i < length; i += 8) {
                    sum += buffer.getLong(offset + i, ByteOrder.nativeOrder());
                }
                if (sum != received * (length / 8)) {
                    fail("message " + received + " did not arrive whole");
                }
            }
        };
        handler = payload <= out.maxPayloadLength() ? read : new FragmentAssembler(read, payload);
        while (!out.isConnected() || !in.isConnected()) {
            Thread.yield();
        }
    }

    private static void fail(String sentence) {
        System.err.println("peer-aeron: " + sentence);
        System.exit(1);
    }

    private void write(org.agrona.MutableDirectBuffer buffer, int offset, long number) {
        int size = all ? payload : 8;
        for (int i = 0; i < size; i += 8) {
            buffer.putLong(offset + i, number, ByteOrder.nativeOrder());
        }
    }

    private void send(long number) {
        if (payload <= out.maxPayloadLength()) {
            while (out.tryClaim(payload, claim) < 0) {
                Thread.onSpinWait();
            }
            write(claim.buffer(), claim.offset(), number);
            claim.commit();
            return;
        }
        write(whole, 0, number);
        while (out.offer(whole, 0, payload) < 0) {
            Thread.onSpinWait();
        }
    }

    private long receive() {
        any = false;
        while (!any) {
            in.poll(handler, 1);
        }
        return received;
    }

    private long ping(long number, int trips) {
        for (int i = 0; i < trips; i++) {
            send(++number);
            if (receive() != number) {
                fail("message " + number + " came back as another");
            }
        }
        return number;
    }

    private void echo() {
        long number;
        do {
            number = receive();
            send(number);
        } while (number != STOP);
    }

    private static double median(List<Double> values) {
        values.sort(null);
        return values.get(values.size() / 2);
    }

    private void latency() {
        List<Double> batches = new ArrayList<>();
        long[] trips = new long[1 << 20];
        int count = 0;
        long number = 0;
        long end = System.nanoTime() + WARM_UP_NS;
        while (System.nanoTime() < end) {
            number = ping(number, 10);
        }
        end = System.nanoTime() + budgetNs * 2 / 3;
        int each = payload > 65536 ? 4 : BATCH_TRIPS;
        do {
            long start = System.nanoTime();
            number = ping(number, each);
            batches.add((System.nanoTime() - start) / 2.0 / each);
        } while (System.nanoTime() < end);
        end = System.nanoTime() + budgetNs / 3;
        long before = System.nanoTime();
        while (before < end && count < trips.length) {
            number = ping(number, 1);
            long after = System.nanoTime();
            trips[count++] = (after - before) / 2;
            before = after;
        }
        send(STOP);
        receive();
        Arrays.sort(trips, 0, count);
        System.out.printf("{\"value\": %.1f, \"unit\": \"ns\", \"p50\": %d, \"p99\": %d, \"p999\": %d, "
                + "\"max\": %d, \"events\": %d}%n", median(batches), trips[count / 2],
                trips[(int) (count * 0.99)], trips[(int) (count * 0.999)], trips[count - 1], count);
    }

    private void rate() {
        long number = 0;
        long end = System.nanoTime() + WARM_UP_NS;
        while (System.nanoTime() < end) {
            send(++number);
        }
        long first = number;
        long start = System.nanoTime();
        long now;
        do {
            for (int i = 0; i < 32; i++) {
                send(++number);
            }
            now = System.nanoTime();
        } while (now - start < budgetNs);
        send(STOP);
        receive();
        System.out.printf("{\"value\": %.0f, \"unit\": \"1/s\"}%n", (number - first) * 1e9 / (now - start));
    }

    private void count() {
        long expected = 0;
        long number;
        while ((number = receive()) != STOP) {
            if (number != ++expected) {
                fail("message " + number + " came instead of " + expected);
            }
        }
        send(STOP);
    }

    private static Process startSecond(String[] arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java",
                "--add-opens", "java.base/jdk.internal.misc=ALL-UNNAMED",
                "--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED",
                "-cp", System.getProperty("java.class.path"), "Peer", "--second"));
        command.addAll(Arrays.asList(arguments));
        return new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    }

    public static void main(String[] arguments) throws Exception {
        String work = "", dir = "/dev/shm";
        int payload = 8;
        long budget = 100;
        boolean all = false, second = false;
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--payload" -> payload = Integer.parseInt(arguments[++i]);
                case "--budget" -> budget = Long.parseLong(arguments[++i]);
                case "--dir" -> dir = arguments[++i];
                case "--touch-all" -> all = true;
                case "--second" -> second = true;
                case "--sleep" -> fail("nobody sleeps here");
                case "--senders", "--receivers" -> {
                    if (!arguments[++i].equals("1")) {
                        fail("here there is one sender and one receiver only");
                    }
                }
                case "--depth", "--cores", "--count" -> i++;
                default -> work = arguments[i];
            }
        }
        if (!work.equals("latency") && !work.equals("rate")) {
            fail("no such work here: " + work);
        }
        String place = new File(dir, "aeron").getPath();
        MediaDriver driver = second ? null : MediaDriver.launch(new MediaDriver.Context()
                .aeronDirectoryName(place)
                .threadingMode(ThreadingMode.SHARED)
                .sharedIdleStrategy(new BackoffIdleStrategy())
                .ipcTermBufferLength(64 << 20)
                .dirDeleteOnStart(true)
                .dirDeleteOnShutdown(true));
        Process other = second ? null : startSecond(arguments);
        try (Aeron aeron = Aeron.connect(new Aeron.Context().aeronDirectoryName(place))) {
            Peer peer = new Peer(aeron, payload, all, budget * 1_000_000, second ? BACK : THERE,
                    second ? THERE : BACK);
            if (second && work.equals("latency")) {
                peer.echo();
            } else if (second) {
                peer.count();
            } else if (work.equals("latency")) {
                peer.latency();
            } else {
                peer.rate();
            }
        }
        if (driver != null) {
            other.waitFor();
            driver.close();
        }
    }
}
