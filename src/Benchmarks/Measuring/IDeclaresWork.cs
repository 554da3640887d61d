namespace Pascl.Benchmarks.Measuring;

/// <summary>A suite that knows how much work its workloads are, for the columns of rates.</summary>
public interface IDeclaresWork
{
    /// <summary>The work of one call of any of its methods.</summary>
    /// <param name="workload">One of its workloads.</param>
    Work WorkOf(object workload);
}
