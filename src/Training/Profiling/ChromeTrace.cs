using System.Diagnostics;
using System.Text.Json;

namespace Pascl.Training.Profiling;

/// <summary>A profile as trace events, which <c>ui.perfetto.dev</c> and <c>chrome://tracing</c> open.</summary>
internal static class ChromeTrace
{
    private const int Process = 1;

    /// <summary>Writes the file, whole or not at all.</summary>
    /// <exception cref="InputException">It could not be written.</exception>
    public static void Write(string path, StepProfile profile) => DurableFile.Replace(path, stream =>
    {
        using var json = new Utf8JsonWriter(stream);
        json.WriteStartObject();
        json.WriteStartArray("traceEvents");
        new Events(json, profile).Write();
        json.WriteEndArray();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteEndObject();
    });

    private sealed class Events(Utf8JsonWriter json, StepProfile profile)
    {
        private readonly long origin = profile.Steps[0].Start;
        private readonly int training = Environment.CurrentManagedThreadId;

        public void Write()
        {
            Name(training, "training steps");
            foreach (var (step, (start, end)) in profile.Steps.Index())
            {
                Span($"step {step + 1}", start, end, training);
            }

            foreach (var span in profile.Spans)
            {
                Span(span.Part.Name(), span.Start, span.End, training);
            }

            // Batches of the warm-up may be finished later.
            foreach (var batch in profile.Clock.Batches.Where(batch => batch.Start >= origin))
            {
                Span($"prepare batch {batch.Number}", batch.Start, batch.End, batch.Thread);
            }

            foreach (var launch in profile.Clock.Launches)
            {
                Instant(launch.Launch.Kernel.Name, launch.Time, launch.Thread);
            }

            foreach (var thread in profile.Clock.Batches.Select(batch => batch.Thread).Distinct())
            {
                Name(thread, $"data thread {thread}");
            }
        }

        private void Span(string name, long start, long end, int thread)
        {
            Begin("X", name, thread);
            json.WriteNumber("ts", Microseconds(origin, start));
            json.WriteNumber("dur", Microseconds(start, end));
            json.WriteEndObject();
        }

        private void Instant(string name, long time, int thread)
        {
            Begin("i", name, thread);
            json.WriteNumber("ts", Microseconds(origin, time));
            json.WriteString("s", "t");
            json.WriteEndObject();
        }

        private void Name(int thread, string name)
        {
            Begin("M", "thread_name", thread);
            json.WriteStartObject("args");
            json.WriteString("name", name);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        private void Begin(string kind, string name, int thread)
        {
            json.WriteStartObject();
            json.WriteString("ph", kind);
            json.WriteString("name", name);
            json.WriteNumber("pid", Process);
            json.WriteNumber("tid", thread);
        }

        private static double Microseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMicroseconds;
    }
}
