using System.Diagnostics;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;

namespace Pascl.Tests.Processes;

/// <summary>
/// Has every test done by a worker process, so that an abort of a native library fails one test. Discovery, filters, order and reports stay NUnit's;
/// only the methods that it calls are others. With <c>PASCL_TESTS_IN_PROCESS=1</c> or a debugger the tests run here, one after another.
/// </summary>
[AttributeUsage(AttributeTargets.Assembly)]
internal sealed class InWorkerProcessesAttribute : NUnitAttribute, IApplyToTest, ITestAction
{
    /// <summary>A worker takes several hundred megabytes with libtorch.</summary>
    private const int MostWorkers = 8;

    private static readonly bool inProcess = Debugger.IsAttached || Environment.GetEnvironmentVariable("PASCL_TESTS_IN_PROCESS") == "1";

    private WorkerPool? pool;

    /// <summary>In a worker each test is asked about, in a run only the assembly as a whole.</summary>
    public ActionTargets Targets => Worker.Current is null ? ActionTargets.Suite : ActionTargets.Test;

    public void ApplyToTest(Test test) =>
        test.Properties.Set(PropertyNames.LevelOfParallelism, inProcess ? 0 : Math.Min(Environment.ProcessorCount, MostWorkers));

    public void BeforeTest(ITest test)
    {
        if (Worker.Current is { } worker)
        {
            worker.SkipUnlessAskedFor(test);
        }
        else if (!inProcess)
        {
            pool = new WorkerPool(Math.Max(1, TestExecutionContext.CurrentContext.Dispatcher.LevelOfParallelism));
            RemoteMethod.Replace(test, pool);
        }
    }

    public void AfterTest(ITest test) => pool?.End();
}
