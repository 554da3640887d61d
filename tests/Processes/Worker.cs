using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO.Pipes;
using System.Text;
using System.Text.Json;
using NUnit.Framework.Api;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Pascl.Tests.Processes;

/// <summary>
/// The process that runs tests one at a time as it is asked to. A fixture is run by NUnit as a whole, so that it is set up once; its tests that are
/// not asked for are skipped, and the next request is awaited between two tests.
/// </summary>
internal sealed class Worker : ITestListener
{
    /// <summary>Starts the tests' program as a worker; the name of the pipe follows.</summary>
    public const string Argument = "--worker";

    private static readonly TimeSpan timeToConnect = TimeSpan.FromMinutes(1);

    private readonly BlockingCollection<TestName> requests = [];
    private readonly StringBuilder errors = new();
    private readonly TextWriter error = Console.Error;
    private readonly Stream pipe;
    private readonly NUnitTestAssemblyRunner runner = new(new DefaultTestAssemblyBuilder());
    private readonly Dictionary<TestName, ITest> tests;

    private TestName? asked;
    private ITest? askedTest;
    private ITest? fixture;

    private Worker(Stream pipe)
    {
        this.pipe = pipe;
        var settings = new Dictionary<string, object> { ["SynchronousEvents"] = true, ["RunOnMainThread"] = true };
        tests = TestName.OfAll(runner.Load(typeof(Worker).Assembly, settings)).ToDictionary(named => named.Name, named => named.Test);
    }

    /// <summary>The worker that this process is, or null in the process that hands out the tests.</summary>
    public static Worker? Current { get; private set; }

    /// <summary>Runs tests until the other side has no more.</summary>
    public static int Run(string name)
    {
        using var pipe = new NamedPipeClientStream(".", name, PipeDirection.InOut);
        pipe.Connect(timeToConnect);
        var worker = new Worker(pipe);
        Current = worker;
        new Thread(worker.Listen) { IsBackground = true }.Start();
        worker.Next();
        while (worker.asked is { } test)
        {
            if (worker.askedTest is null)
            {
                worker.Answer(WorkerResult.Error($"The worker process has no test {test.FullName}. Tests must have the same names in every process."));
            }
            else
            {
                worker.runner.Run(worker, new FixtureFilter(TestName.FixtureOf(worker.askedTest)));
                worker.fixture = null;
            }
        }

        return 0;
    }

    /// <summary>Called before each test of the fixture that runs.</summary>
    public void SkipUnlessAskedFor(ITest test)
    {
        if (test != askedTest)
        {
            throw new IgnoreException("Not asked for.");
        }
    }

    public void TestStarted(ITest test)
    {
        if (askedTest is not null && test == TestName.FixtureOf(askedTest))
        {
            fixture = test;
            Write(new(null));
        }
    }

    public void TestFinished(ITestResult result)
    {
        if (askedTest is not null && result.Test == askedTest)
        {
            Answer(WorkerResult.Of(result, errors.ToString()));
        }
    }

    /// <summary>What a test writes to the console's error stream belongs to its result, and to the last lines of a process that gets to none.</summary>
    public void TestOutput(TestOutput output)
    {
        errors.Append(output.Text);
        error.Write(output.Text);
    }

    public void SendMessage(TestMessage message)
    {
    }

    private void Answer(WorkerResult result)
    {
        Write(new(result));
        Next();
    }

    private void Next()
    {
        errors.Clear();
        asked = requests.TryTake(out var test, Timeout.Infinite) ? test : null;
        askedTest = asked is null ? null : tests.GetValueOrDefault(asked);
        if (askedTest is not null && TestName.FixtureOf(askedTest) == fixture)
        {
            Write(new(null));
        }
    }

    private void Write(WorkerLine line) => pipe.Write([.. JsonSerializer.SerializeToUtf8Bytes(line), (byte)'\n']);

    private void Listen()
    {
        using var reader = new StreamReader(pipe, leaveOpen: true);
        while (reader.ReadLine() is { } line)
        {
            if (JsonSerializer.Deserialize<WorkerRequest>(line)!.Test is not { } test)
            {
                requests.CompleteAdding();
                return;
            }

            requests.Add(test);
        }

        // The other side was killed: nobody waits for the test that runs.
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }

    /// <summary>The tests of one fixture, explicit ones too: whoever asks has decided.</summary>
    private sealed class FixtureFilter(ITest fixture) : TestFilter
    {
        public override bool Pass(ITest test, bool negated) => Match(test);

        public override bool Match(ITest test) => TestName.FixtureOf(test) == fixture;

        public override bool IsExplicitMatch(ITest test) => true;

        public override TNode AddToXml(TNode parentNode, bool recursive) => parentNode.AddElement("test", fixture.FullName);
    }
}
